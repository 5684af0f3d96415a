package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/command"
	"github.com/holdfast-ha/holdfast/internal/demo"
	"github.com/holdfast-ha/holdfast/internal/lab/netns"
	"github.com/holdfast-ha/holdfast/internal/lab/userns"
)

// TestMain is the program too: the demonstration starts its nodes from this binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "run", "demo":
			os.Exit(command.Main(os.Args[1:]))
		case "trial": // of whether networks can be made where this runs
			n, err := netns.New("trial")
			if err != nil {
				os.Exit(1)
			}
			n.Close()
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

// program is this binary, if it may make networks here or in a user namespace.
func program(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if !userns.Needed() {
		return path
	}
	if code, err := userns.RunCommand(exec.Command(path, "trial")); err == nil && code == 0 {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this user may not make network namespaces, and CI must skip nothing")
	}
	t.Skip("needs the right to make network namespaces: run sudo -E go test ./internal/demo")
	return ""
}

// folder is where temporary folders must be gone afterwards.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hf") // short: sockets are made in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// patience is more than the demonstration gives itself.
const patience = 70 * time.Second

func TestPlaysToItsEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dir := folder(t)
	c := exec.CommandContext(ctx, program(t), "demo", "--json", "--flows", "50")
	c.Env = append(os.Environ(), "TMPDIR="+dir)
	var out, complaints bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaints
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s%s", err, complaints.String(), out.String())
	}
	wantEmpty(t, dir)
	var f demo.Figures
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		t.Fatal(err)
	}
	if !f.OK || f.Schema != demo.Schema || f.Flows != 50 || f.Lost != 0 || f.Version == "" {
		t.Errorf("figures: %+v", f)
	}
	for name, p := range map[string]*demo.Phase{"calm": &f.Calm, "power cut": &f.PowerCut, "switch": &f.Switch} {
		if p.FlowsBefore != 50 || p.FlowsWentOn != 50 || p.ProbesSent == 0 || p.ProbeSilenceMS <= 0 || p.TCPSilenceMS <= 0 || p.Requests.OK == 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for name, p := range map[string]*demo.Phase{"power cut": &f.PowerCut, "switch": &f.Switch} {
		if p.From == p.To || p.TakeoverMS <= 0 || len(p.Answers) == 0 || len(p.Answers) != len(p.Heard) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if f.PowerCut.To != f.Switch.From || f.PowerCut.From != f.Switch.To {
		t.Errorf("the addresses went %s, %s and then %s, %s", f.PowerCut.From, f.PowerCut.To, f.Switch.From, f.Switch.To)
	}
}

// An interrupted demonstration leaves nothing behind, wherever it was.
func TestInterrupted(t *testing.T) {
	dir := folder(t)
	c := exec.CommandContext(t.Context(), program(t), "demo", "--flows", "10")
	c.Env = append(os.Environ(), "TMPDIR="+dir)
	var complaints bytes.Buffer
	c.Stderr = &complaints
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	b := make([]byte, 4096)
	for !strings.Contains(text.String(), "holds the addresses") {
		n, err := out.Read(b)
		text.Write(b[:n])
		if err != nil {
			t.Fatalf("%v after %q %s", err, text.String(), complaints.String())
		}
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("want exit status 130, got %v", err)
	}
	wantEmpty(t, dir)
}

func TestMistakesAreNamed(t *testing.T) {
	for name, c := range map[string]demo.Config{
		"flows":  {Flows: 1 << 30},
		"inject": {Inject: "sometimes"},
	} {
		var op *demo.OpError
		if _, err := demo.Run(t.Context(), c); !errors.As(err, &op) {
			t.Errorf("%s: want an OpError, got %v", name, err)
		}
	}
}

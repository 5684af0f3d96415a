package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
)

// TestEveryVerb holds that each verb says what it changes and gives an example, and
// that those that answer can answer in JSON.
func TestEveryVerb(t *testing.T) {
	p := &Program{Output: io.Discard, Errors: io.Discard}
	var visit func(c *cobra.Command)
	visited := 0
	visit = func(c *cobra.Command) {
		for _, verb := range c.Commands() {
			visit(verb)
		}
		if c.HasSubCommands() || c.Name() == "help" || c.Parent() != nil && c.Parent().Name() == "completion" {
			return
		}
		visited++
		name := c.CommandPath()
		if !strings.Contains(c.Long, "Changes") {
			t.Errorf("%s does not say what it changes", name)
		}
		if !strings.Contains(c.Example, name) {
			t.Errorf("%s has no example of itself: %q", name, c.Example)
		}
		if c.Flags().Lookup("json") == nil && c.Name() != "run" {
			t.Errorf("%s has no --json", name)
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(strings.TrimSpace(line)) > 100 {
				t.Errorf("%s: a line of its help is longer than 100: %s", name, line)
			}
		}
	}
	visit(p.root())
	if visited != 19 {
		t.Errorf("%d verbs were looked at, want 19", visited)
	}
}

// TestCodes holds the exit codes.
func TestCodes(t *testing.T) {
	degraded, dead := healthy(), healthy()
	degraded.Peers[0].Proof = control.Proof{State: control.Syncing}
	dead.Peers[0].Alive = false
	good := filepath.Join(t.TempDir(), "good.hcl")
	pair := config.Pair{Cluster: "edge", Nodes: [2]string{"a", "b"}, KeyFile: "/nowhere/key",
		Links: []config.PairLink{{Label: "l", Ends: [2]string{"192.0.2.1", "192.0.2.2"}}}, Addresses: []config.PairAddress{{Prefix: "192.0.2.9/24", Interface: "eth0"}}}
	if err := os.WriteFile(good, []byte(pair.Text("a")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"status", "-s", serveFacts(t, healthy())}},
		{1, []string{"status", "-s", serveFacts(t, degraded)}},
		{2, []string{"status", "-s", serveFacts(t, dead)}},
		{2, []string{"status", "-s", t.TempDir() + "/absent"}},
		{2, []string{"status", "-c", t.TempDir() + "/absent"}},
		{2, []string{"status", "--bad"}},
		{2, []string{"stauts"}},
		{2, []string{"status", "-s", "a", "-c", "b"}},
		{2, []string{"key"}},
		{2, []string{"run"}},
		{1, []string{"run", "-c", t.TempDir() + "/absent"}},
		{1, []string{"check", t.TempDir() + "/absent"}},
		{0, []string{"check", good}},
		{0, []string{"run", "-c", good}},
		{0, []string{"demo"}},
		{1, []string{"demo", "--json"}},
		{0, nil},
	} {
		var errs bytes.Buffer
		p := &Program{Output: io.Discard, Errors: &errs,
			Run: func(_ context.Context, f *config.File, _ *slog.Logger) error {
				if f.Node != "a" {
					return errors.New("another file")
				}
				return nil
			},
			Demo: func(_ context.Context, o DemoOptions, _ io.Writer) error {
				if o.JSON {
					return errors.New("3 flows were lost")
				}
				return nil
			},
		}
		if got := p.Execute(t.Context(), c.args); got != c.code {
			t.Errorf("holdfast %s: exit code %d, want %d: %s", strings.Join(c.args, " "), got, c.code, errs.String())
		}
		if c.code == 0 && errs.Len() > 0 {
			t.Errorf("holdfast %s: complains %q", strings.Join(c.args, " "), errs.String())
		}
	}
}

// TestWatchElsewhere watches where no person looks: each status once, until the end.
func TestWatchElsewhere(t *testing.T) {
	for _, c := range []struct{ flag, want string }{{"--watch", "cluster  edge      PROTECTED"}, {"--json", `{"schema":1,`}} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &first{done: cancel}
		p := &Program{Output: out, Errors: io.Discard}
		code := p.Execute(ctx, []string{"status", "--watch", c.flag, "-s", serveFacts(t, healthy())})
		if code != codeDone || !strings.HasPrefix(out.text.String(), c.want) {
			t.Errorf("%s: exit code %d, %q", c.flag, code, out.text.String())
		}
	}
}

// first calls done after the first write.
type first struct {
	text bytes.Buffer
	done func()
}

func (f *first) Write(p []byte) (int, error) {
	defer f.done()
	return f.text.Write(p)
}

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		log  config.Log
		want string
	}{
		{config.Log{Level: "info", Format: "auto"}, `"msg":"seen","n":1}`},
		{config.Log{Level: "info", Format: "json"}, `"msg":"seen","n":1}`},
		{config.Log{Level: "info", Format: "text"}, `level=INFO msg=seen n=1`},
		{config.Log{Level: "warn", Format: "text"}, ``},
		{config.Log{Level: "debug", Format: "text"}, `level=DEBUG msg=hidden`},
	} {
		var b bytes.Buffer
		logger := newLogger(&b, c.log)
		logger.Debug("hidden")
		logger.Info("seen", "n", 1)
		if got := b.String(); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.log, got, c.want)
		}
	}
}

func TestSize(t *testing.T) {
	got := map[uint64]string{}
	want := map[uint64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1234567: "1.23 MB", 1 << 63: "9.22 EB"}
	for n := range want {
		got[n] = size(n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("size (-want +got):\n%s", diff)
	}
}

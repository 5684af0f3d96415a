package netns_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/lab/netns"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root, and CI must skip nothing")
	}
	t.Skip("needs root: run sudo -E go test ./internal/lab/...")
}

func self(t *testing.T) string {
	t.Helper()
	link, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func TestNamespacesAreApartAndLeaveNothing(t *testing.T) {
	needRoot(t)
	defer goleak.VerifyNone(t)
	home := self(t)
	a, err := netns.New("a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := netns.New("b")
	if err != nil {
		t.Fatal(err)
	}
	var inA, inB string
	read := func(into *string) func() error {
		return func() (err error) { *into, err = os.Readlink("/proc/thread-self/ns/net"); return err }
	}
	if err := a.Do(read(&inA)); err != nil {
		t.Fatal(err)
	}
	if err := b.Do(read(&inB)); err != nil {
		t.Fatal(err)
	}
	if inA == home || inB == home || inA == inB {
		t.Errorf("namespaces are not apart: home %s, a %s, b %s", home, inA, inB)
	}
	if now := self(t); now != home {
		t.Errorf("the caller was moved from %s to %s", home, now)
	}
	var out bytes.Buffer
	cmd := exec.Command("readlink", "/proc/self/ns/net")
	cmd.Stdout = &out
	if err := a.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != inA {
		t.Errorf("the process ran in %s, not in %s", got, inA)
	}
	a.Close()
	b.Close()
	if err := a.Do(func() error { return nil }); err == nil {
		t.Error("a closed namespace was entered")
	}
	if err := a.Start(exec.Command("true")); err == nil {
		t.Error("a process was started in a closed namespace")
	}
}

// A socket belongs to the namespace it was opened in, wherever it is used later.
func TestSocketStaysInItsNamespace(t *testing.T) {
	needRoot(t)
	n, err := netns.New("socket")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var names []string
	err = n.Do(func() error {
		links, err := net.Interfaces()
		for _, l := range links {
			names = append(names, l.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "eth") || strings.HasPrefix(name, "en") {
			t.Errorf("interface %s of the host is seen in a new namespace", name)
		}
	}
}

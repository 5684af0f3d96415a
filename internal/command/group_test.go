package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/internal/driver/admin"
	"github.com/holdfast-ha/holdfast/internal/driver/census"
)

// assembly is a cluster on this machine's loopback: real processes, real sockets. Member a
// is this test; b and the witness w are daemons.
type assembly struct {
	folder string
	port   int
}

func newAssembly(t *testing.T) *assembly {
	t.Helper()
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	return &assembly{t.TempDir(), probe.LocalAddr().(*net.UDPAddr).Port}
}

func (a *assembly) socket(name string) string { return filepath.Join(a.folder, name+".sock") }

// start runs a daemon and gives its process. It is killed at the end of the test.
func (a *assembly) start(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	file := filepath.Join(a.folder, name+".hcl")
	text := fmt.Sprintf(`node = %q
cluster "shop" {
  insecure      = true
  port          = %d
  heartbeat     = "20ms"
  suspect_after = "3s"
  member "a" {
    link "lan" { address = "127.0.0.1" }
    link "sync" { address = "127.0.1.1" }
  }
  member "b" {
    link "lan" { address = "127.0.0.2" }
    link "sync" { address = "127.0.1.2" }
  }
  member "w" {
    witness = true
    link "lan" { address = "127.0.0.3" }
    link "sync" { address = "127.0.1.3" }
  }
}
group "orders" {}
control { socket = %q }
`, name, a.port, a.socket(name))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("holdfast", "run", "-c", file)
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, log.String())
		}
	})
	return c
}

// join makes this test member a.
func (a *assembly) join(t *testing.T) *holdfast.Group {
	t.Helper()
	at := func(n int) []string {
		return []string{fmt.Sprintf("127.0.0.%d:%d", n, a.port), fmt.Sprintf("127.0.1.%d:%d", n, a.port)}
	}
	node, err := holdfast.Open(holdfast.Config{
		Cluster: "shop", Name: "a", Insecure: true, Witnesses: []string{"w"}, Control: a.socket("a"),
		Members:   map[string][]string{"a": at(1), "b": at(2), "w": at(3)},
		Heartbeat: 20 * time.Millisecond, SuspectAfter: 3 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	group, err := node.Join(ctx, holdfast.GroupConfig{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range group.Events(t.Context()) {
		}
	}()
	return group
}

// ask runs one verb until its output has all the words, and gives the exit code.
func (a *assembly) ask(t *testing.T, at, verb string, words ...string) int {
	t.Helper()
	t.Setenv("NO_COLOR", "1")
	deadline := time.Now().Add(30 * time.Second)
	for {
		var out, errs bytes.Buffer
		p := &Program{Output: &out, Errors: &errs}
		code := p.Execute(t.Context(), []string{"group", verb, "orders", "-s", a.socket(at)})
		missing := ""
		for _, w := range words {
			if !strings.Contains(out.String(), w) {
				missing = w
			}
		}
		if missing == "" {
			if os.Getenv("HOLDFAST_SHOW") != "" {
				t.Logf("holdfast group %s, at %s:\n%s", verb, at, out.String())
			}
			return code
		}
		if time.Now().After(deadline) {
			t.Fatalf("holdfast group %s at %s never said %q, but:\n%s%s", verb, at, missing, out.String(), errs.String())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// stop stops a process, and waits until all its threads stand still.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for stopped := false; !stopped; {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(threads) == 0 || time.Now().After(deadline) {
			t.Fatalf("process %d does not stop: %v", pid, err)
		}
		stopped = true
		for _, path := range threads {
			text, _ := os.ReadFile(path)
			_, state, _ := strings.Cut(string(text), ") ")
			stopped = stopped && strings.HasPrefix(state, "T")
		}
	}
}

// TestGroupsOfRealProcesses stops, kills and starts a member, and reads what the verbs say.
func TestGroupsOfRealProcesses(t *testing.T) {
	a := newAssembly(t)
	b := a.start(t, "b")
	a.start(t, "w")
	group := a.join(t)
	if code := a.ask(t, "a", "members", "WHOLE – survives 1 more member failure", "view     3 members", "1 witness"); code != codeDone {
		t.Errorf("exit code %d of a whole group", code)
	}
	a.ask(t, "w", "members", "WHOLE", "w (this)")
	a.ask(t, "a", "why", "No message is held back at a.")

	// A member that does not run: it is not suspected yet, and a message waits for it.
	stop(t, b.Process.Pid)
	if _, err := group.Multicast(t.Context(), []byte("hello"), holdfast.Total|holdfast.Uniform); err != nil {
		t.Fatal(err)
	}
	if code := a.ask(t, "a", "why", "1 message held back at a", "b (silent for", "b is silent for"); code != codeFailed {
		t.Errorf("exit code %d of a degraded group", code)
	}
	if err := b.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.ask(t, "a", "why", "No message is held back at a.")
	a.ask(t, "a", "members", "WHOLE", "view     3 members")

	// A member that dies.
	if err := b.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = b.Wait()
	a.ask(t, "a", "members", "DEGRADED – survives 0 more member failures", "b went", "view     2 members", "silent ")
	a.ask(t, "a", "views", "- b  silent for")
	a.ask(t, "w", "views", "- b  ")

	// And comes back.
	a.start(t, "b")
	a.ask(t, "a", "views", "+ b  joined")
	if code := a.ask(t, "a", "members", "WHOLE – survives 1 more member failure"); code != codeDone {
		t.Errorf("exit code %d of a group that is whole again", code)
	}
	a.ask(t, "b", "members", "WHOLE", "b (this)")
}

func TestWatchAGroupOnATerminal(t *testing.T) {
	s, terminal := openTerminal(t)
	t.Setenv("NO_COLOR", "")
	var facts census.Status
	text := `{"member":"a","members":[{"name":"b","state":"trusted","incarnation":"1"}],"groups":[{"name":"orders","state":"in","needed":1,
		"view":{"members":["a","b"]},"seats":[{"name":"a","votes":1},{"name":"b","votes":1,"incarnation":"1"}]}]}`
	if err := json.Unmarshal([]byte(text), &facts); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "g.sock")
	server, err := admin.Listen(admin.Config{Socket: socket, Handler: factualGroups(facts)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(context.Background())
	code := begin(t, terminal, "group", "members", "orders", "--watch", "-s", socket)
	s.await(t, blue+"WHOLE"+plain)
	s.await(t, "q quits")
	s.write(t, "q")
	if got := <-code; got != codeDone {
		t.Errorf("exit code %d", got)
	}
	code = begin(t, terminal, "group", "why", "ordres", "-w", "-s", socket)
	s.await(t, "NO SUCH GROUP")
	s.await(t, "its groups are: orders")
	s.write(t, "q")
	if got := <-code; got != codeDone {
		t.Errorf("exit code %d", got)
	}
}

// FuzzRenderGroups holds that no answer of a process harms who asks: whatever its JSON is,
// it is judged and drawn.
func FuzzRenderGroups(f *testing.F) {
	f.Add([]byte(`{"member":"a","members":[{"name":"b","links":[{}],"silent_ms":1e300}],"groups":[{"name":"g","state":"in","view":{"members":["a"]},"seats":[{"name":"b"}],"held":[{"from":"b","number":18446744073709551615},{"from":"b","reason":"predecessor"}],"held_count":-1}]}`))
	f.Add([]byte(`{"groups":[{"views":[{"came":[{}],"took_ms":-1,"epoch":"18446744073709551615"}],"change":{"waits":null},"fetching":"x","total":1,"received":18446744073709551615}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s census.Status
		if json.Unmarshal(text, &s) != nil {
			return
		}
		s.Judge()
		census.Same(&s, &s)
		for i := range s.Groups {
			renderMembers(&s, &s.Groups[i], true)
			renderViews(&s, &s.Groups[i], false)
			renderWhy(&s, &s.Groups[i], true)
		}
		_ = choose(&s, "g")
		groupsCode(&s)
		if err := census.WriteMetrics(&bytes.Buffer{}, &s); err != nil {
			t.Fatal(err)
		}
	})
}

package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/driver/admin"
	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/internal/lab/trio"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/service/lock"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"holdfast": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// TestScript runs the program as a shell would. The command "node SOCKET FILE" starts a
// node that answers with the facts in FILE; "groups SOCKET FILE" one that is in groups; "locks FOLDER [WINDOW]" a lock service; "exits CODE COMMAND" wants an exit code;
// "expand FILE" puts variables into a file; "await FILE", "until TEXT COMMAND" and "gone FILE" wait. Set
// REWRITE=1 to write the outputs into the scripts.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("REWRITE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("TZ", "UTC")
			e.Values[locksOf{}] = &trio.Trio{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"expand": func(ts *testscript.TestScript, _ bool, args []string) {
				text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
			},
			"groups": func(ts *testscript.TestScript, _ bool, args []string) {
				var facts census.Status
				ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &facts))
				server, err := admin.Listen(admin.Config{Socket: ts.MkAbs(args[0]), Handler: factualGroups(facts)})
				ts.Check(err)
				ts.Defer(func() { ts.Check(server.Close(context.Background())) })
			},
			"locks": lockService,
			"exits": exits,
			"await": func(ts *testscript.TestScript, _ bool, args []string) {
				poll(ts, args[0]+" to be there", func() bool {
					b, err := os.ReadFile(ts.MkAbs(args[0]))
					return err == nil && len(b) > 0
				})
			},
			"until": func(ts *testscript.TestScript, _ bool, args []string) {
				poll(ts, "the output to have "+args[0], func() bool {
					ts.Check(ts.Exec(args[1], args[2:]...))
					return strings.Contains(strings.ToLower(ts.ReadFile("stdout")), args[0])
				})
			},
			"gone": func(ts *testscript.TestScript, _ bool, args []string) {
				pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
				ts.Check(err)
				poll(ts, "the process to be gone", func() bool {
					// A zombie that nobody waits for is gone as well.
					b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
					return err != nil || strings.Contains(string(b), ") Z ")
				})
			},
			"node": func(ts *testscript.TestScript, _ bool, args []string) {
				var facts control.Status
				ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &facts))
				server, err := control.Listen(control.Config{
					Socket: ts.MkAbs(args[0]), Node: factual{facts}, Version: thisVersion(), Logger: slog.New(slog.DiscardHandler),
				})
				ts.Check(err)
				ts.Defer(func() { ts.Check(server.Close(context.Background())) })
			},
		},
	})
}

// factualGroups answers as a process in groups does.
func factualGroups(facts census.Status) http.Handler {
	get := func(context.Context) (census.Status, error) {
		facts.Judge()
		return facts, nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/group", func(w http.ResponseWriter, r *http.Request) {
		s, _ := get(r.Context())
		admin.Answer(w, s)
	})
	mux.HandleFunc("GET /v1/group/watch", admin.Watch(get, census.Same, ""))
	return mux
}

// factual is a node that says what it was made with. It is active if its role is.
type factual struct{ facts control.Status }

func (n factual) Status(context.Context) (control.Status, error) { return n.facts, nil }

func (n factual) Switch(_ context.Context, to string) (control.SwitchResult, error) {
	switch {
	case n.facts.Role != control.Active:
		return control.SwitchResult{}, &control.Refusal{Reason: n.facts.Node + " is not active", Action: "holdfast switch, on the active node"}
	case to == "fw9":
		return control.SwitchResult{}, errors.New("the loop has stopped")
	}
	return control.SwitchResult{From: n.facts.Node, To: "fw2", Epoch: 8, Flows: 12402, TookMS: 11.5}, nil
}

func (n factual) Resync(_ context.Context, peer string) error {
	if peer != "" && peer != "fw2" {
		return &control.Refusal{Reason: "there is no peer " + peer}
	}
	return nil
}

// serveFacts starts a node for tests in Go and gives its socket.
func serveFacts(t *testing.T, facts control.Status) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "n.sock")
	server, err := control.Listen(control.Config{Socket: socket, Node: factual{facts}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return socket
}

// lockService starts the members of a lock service with sockets in a folder, which may have a window of recovery; "stop" stops them, and
// "lose" has all crash and starts them again.
func lockService(ts *testscript.TestScript, _ bool, args []string) {
	m := ts.Value(locksOf{}).(*trio.Trio)
	switch args[0] {
	case "stop":
		ts.Check(m.Close())
		return
	case "lose":
		ts.Check(m.Close())
		for i := range m.Sockets {
			ts.Check(m.Start(i))
		}
		ts.Check(m.Await())
		return
	}
	var window time.Duration
	if len(args) > 1 {
		var err error
		window, err = time.ParseDuration(args[1])
		ts.Check(err)
	}
	started, err := trio.Open(ts.MkAbs(args[0]), func() session.Service {
		s, err := lock.New(lock.Config{Window: window})
		ts.Check(err)
		return s
	})
	ts.Check(err)
	*m = *started
	ts.Defer(func() { ts.Check(m.Close()) })
}

// locksOf is the key of a script's lock service.
type locksOf struct{}

// exits runs a command and wants an exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, err := 0, ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// poll waits for something.
func poll(ts *testscript.TestScript, what string, is func() bool) {
	end := time.NewTimer(20 * time.Second)
	defer end.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-end.C:
			ts.Fatalf("waited for %s in vain", what)
		}
	}
}

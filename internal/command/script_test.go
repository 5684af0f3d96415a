package command

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/driver/admin"
	"github.com/holdfast-ha/holdfast/internal/driver/census"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"holdfast": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// TestScript runs the program as a shell would. The command "node SOCKET FILE" starts a
// node that answers with the facts in FILE; "groups SOCKET FILE" one that is in groups; "expand FILE" puts variables into a file. Set
// REWRITE=1 to write the outputs into the scripts.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("REWRITE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("TZ", "UTC")
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

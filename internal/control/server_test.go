package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNode answers from its fields.
type fakeNode struct {
	mu       sync.Mutex
	status   Status
	err      error
	switched []string
	resynced []string
	refusal  error
	asked    int
}

func (n *fakeNode) Status(context.Context) (Status, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return n.status, n.err
}

func (n *fakeNode) Switch(_ context.Context, to string) (SwitchResult, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.switched = append(n.switched, to)
	return SwitchResult{From: "fw1", To: "fw2", Epoch: 8, Flows: 1000, TookMS: 11.5}, n.refusal
}

func (n *fakeNode) Resync(_ context.Context, peer string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.resynced = append(n.resynced, peer)
	return n.refusal
}

func (n *fakeNode) set(change func(*fakeNode)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// serve starts a server in a temporary folder and dials it.
func serve(t *testing.T, node Node) (*Server, *Client) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "run", "test.sock")
	s, err := Listen(Config{Socket: socket, Node: node, Version: Version{Version: "v1"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Close left the socket: %v", err)
		}
	})
	return s, c
}

func TestVerbs(t *testing.T) {
	node := &fakeNode{status: pair()}
	_, c := serve(t, node)
	ctx := t.Context()

	got, err := c.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := pair()
	want.Schema = Schema
	want.Judge()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Status (-want +got):\n%s", diff)
	}
	if v, err := c.Version(ctx); err != nil || v.Version != "v1" || v.Schema != Schema {
		t.Errorf("Version = %+v, %v", v, err)
	}
	if r, err := c.Switch(ctx, "fw2"); err != nil || r.To != "fw2" || r.TookMS != 11.5 {
		t.Errorf("Switch = %+v, %v", r, err)
	}
	if err := c.Resync(ctx, "fw2"); err != nil {
		t.Errorf("Resync: %v", err)
	}
	if diff := cmp.Diff([][]string{{"fw2"}, {"fw2"}}, [][]string{node.switched, node.resynced}); diff != "" {
		t.Errorf("what reached the node (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	node := &fakeNode{status: pair(), refusal: &Refusal{Reason: "fw1 is not active", Action: "holdfast switch -s OTHER"}}
	_, c := serve(t, node)

	var refusal *Refusal
	if _, err := c.Switch(t.Context(), ""); !errors.As(err, &refusal) || *refusal != *node.refusal.(*Refusal) {
		t.Errorf("a refusal arrives as %v", err)
	}
	node.set(func(n *fakeNode) { n.err = context.DeadlineExceeded })
	var op *OpError
	if _, err := c.Status(t.Context()); !errors.As(err, &op) || !strings.Contains(op.Err.Error(), "in time") {
		t.Errorf("a node that is too slow: %v", err)
	}
	if _, err := Dial(filepath.Join(t.TempDir(), "absent.sock")); !errors.Is(err, ErrUnreachable) {
		t.Errorf("Dial of nothing: %v", err)
	}
}

// TestRequests sends what the client never would.
func TestRequests(t *testing.T) {
	node := &fakeNode{status: pair()}
	s, c := serve(t, node)
	for _, r := range []struct {
		method, path, body string
		code               int
	}{
		{"GET", "/v1/status", "", 200},
		{"POST", "/v1/switch", "", 200},
		{"POST", "/v1/switch", `{"to": "fw2"}`, 200},
		{"POST", "/v1/switch", `{"two": "fw2"}`, 400},
		{"POST", "/v1/switch", `{"to": 7}`, 400},
		{"POST", "/v1/switch", `{"to": "fw2"} {}`, 400},
		{"POST", "/v1/switch", `{`, 400},
		{"POST", "/v1/switch", `{"to": "` + strings.Repeat("x", 4<<10) + `"}`, 400},
		{"GET", "/v1/switch", "", 405},
		{"POST", "/v1/status", "", 405},
		{"GET", "/v2/status", "", 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, "http://node"+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.http.Do(request)
		if err != nil {
			t.Fatalf("%s %s: %v", r.method, r.path, err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != r.code {
			t.Errorf("%s %s %.40s = %d, want %d", r.method, r.path, r.body, response.StatusCode, r.code)
		}
	}
	if len(node.switched) != 2 {
		t.Errorf("the node was switched %d times, want 2", len(node.switched))
	}
	// A line that is not HTTP is answered or dropped, and the server goes on.
	conn, err := net.Dial("unix", s.config.Socket)
	if err != nil {
		t.Fatal(err)
	}
	conn.Write([]byte("\x00\xff garbage\r\n\r\n"))
	io.Copy(io.Discard, conn)
	conn.Close()
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("after garbage: %v", err)
	}
}

func TestSocket(t *testing.T) {
	s, _ := serve(t, &fakeNode{status: pair()})
	path := s.config.Socket
	for at, mode := range map[string]os.FileMode{path: 0o660, filepath.Dir(path): 0o750} {
		if info, err := os.Stat(at); err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode of %s: %v, %v; want %o", at, info.Mode(), err, mode)
		}
	}
	config := Config{Socket: path, Node: &fakeNode{}, Logger: slog.New(slog.DiscardHandler)}
	if _, err := Listen(config); !errors.Is(err, ErrInUse) {
		t.Errorf("a second server at the socket: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	config.Socket = file
	if _, err := Listen(config); err == nil {
		t.Error("Listen took a file's place")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("Listen changed the file: %q", text)
	}
}

// TestStaleSocket leaves a socket as a killed node does.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := Dial(path); !errors.Is(err, ErrUnreachable) {
		t.Errorf("Dial of a stale socket: %v", err)
	}
	s, err := Listen(Config{Socket: path, Node: &fakeNode{status: pair()}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("Listen over a stale socket: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

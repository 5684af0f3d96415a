package holdfast_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast"
)

// knock asks at a control socket.
func knock(t *testing.T, socket, path string) string {
	t.Helper()
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) },
	}}
	q, err := http.NewRequestWithContext(within(t), http.MethodGet, "http://node"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", path, a.Status, err, text)
	}
	return string(text)
}

func TestControlSocketAnswersUntilClose(t *testing.T) {
	c := cluster("a", "b")
	c.Name, c.Control = "a", filepath.Join(t.TempDir(), "run", "a.sock")
	a, err := holdfast.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := holdfast.Open(c); !errors.As(err, new(*holdfast.Error)) {
		t.Errorf("a second process at the socket: %v", err)
	}
	socket := c.Control
	c.Control = ""
	b := open(t, c, "b")
	join(t, holdfast.GroupConfig{Name: "g"}, a, b)
	var s struct {
		Member string
		Groups []struct{ Name, Verdict string }
	}
	if text := knock(t, socket, "/v1/group"); json.Unmarshal([]byte(text), &s) != nil || s.Member != "a" || len(s.Groups) != 1 || s.Groups[0].Verdict != "degraded" {
		t.Errorf("two members without a witness: %s", text)
	}
	if text := knock(t, socket, "/metrics"); !strings.Contains(text, "\nholdfast_group_members{group=\"g\"} 2\n") {
		t.Errorf("metrics:\n%s", text)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Close left the socket: %v", err)
	}
}

func TestAWitnessOfAGroupWithAState(t *testing.T) {
	c := cluster("a", "w")
	c.Witnesses = []string{"w"}
	a, w := open(t, c, "a"), open(t, c, "w")
	with := holdfast.GroupConfig{
		Name: "g", Snapshot: func(io.Writer) error { return nil }, Restore: func(io.Reader) error { return nil },
	}
	errs := make(chan error, 2)
	go func() {
		_, err := a.Join(within(t), with)
		errs <- err
	}()
	go func() {
		_, err := w.Join(within(t), holdfast.GroupConfig{Name: "g", Stateful: true})
		errs <- err
	}()
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if _, err := a.Join(t.Context(), holdfast.GroupConfig{Name: "h", Stateful: true}); err == nil || !strings.Contains(err.Error(), "no Snapshot") {
		t.Errorf("a state without Snapshot: %v", err)
	}
}

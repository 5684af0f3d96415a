package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhoMayChange(t *testing.T) {
	for _, c := range []struct {
		name string
		who  caller
		may  bool
	}{
		{"root", caller{true, 0, 0}, true},
		{"the node's user", caller{true, 900, 5}, true},
		{"the node's group", caller{true, 7, 901}, true},
		{"another user", caller{true, 7, 8}, false},
		{"a user numbered as the group", caller{true, 901, 8}, false},
		{"root's group", caller{true, 7, 0}, false},
		{"a caller the kernel does not name", caller{}, false},
	} {
		if got := c.who.mayChange(900, 901); got != c.may {
			t.Errorf("%s: mayChange = %v, want %v", c.name, got, c.may)
		}
	}
}

// TestForbidden asks as a user who may connect and not change anything.
func TestForbidden(t *testing.T) {
	changed := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { Answer(w, "here") })
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		var body struct{}
		if _, cancel, _, ok := Change(w, r, &body); ok {
			cancel()
			changed++
			Answer(w, "done")
		}
	})
	socket := filepath.Join(t.TempDir(), "run", "a.sock")
	s, err := Listen(Config{Socket: socket, Handler: mux})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }
	ask := func(method string) (int, string) {
		c := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
		q, err := http.NewRequestWithContext(t.Context(), method, "http://node/", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, _ := io.ReadAll(a.Body)
		return a.StatusCode, string(text)
	}
	if code, text := ask("POST"); code != http.StatusOK || changed != 1 {
		t.Errorf("the node's own user: %d %s", code, text)
	}
	if os.Geteuid() != 0 {
		s.uid, s.gid = os.Geteuid()+1, os.Getegid()+1 // the node is another's
	} else {
		for at := socket; at != filepath.Dir(os.TempDir()) && at != os.TempDir(); at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		dial = dialAsNobody(socket)
	}
	if code, text := ask("POST"); code != http.StatusForbidden || !strings.Contains(text, ErrForbidden.Error()) || changed != 1 {
		t.Errorf("another user changed something: %d %s", code, text)
	}
	if code, _ := ask("GET"); code != http.StatusOK {
		t.Errorf("another user may not read: %d", code)
	}
}

// dialAsNobody connects from a thread of its own that has given up being root. The
// thread ends with its goroutine.
func dialAsNobody(socket string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (conn net.Conn, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // and never unlocked
			const nobody = 65534
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, nobody, nobody, nobody); errno != 0 {
				err = errno
				return
			}
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				err = errno
				return
			}
			conn, err = net.Dial("unix", socket)
		}()
		<-done
		return conn, err
	}
}

func TestSocketInUse(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "a.sock")
	s, err := Listen(Config{Socket: socket, Handler: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Config{Socket: socket, Handler: http.NotFoundHandler()}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second server at the socket: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Close left the socket: %v", err)
	}
}

package guard

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// store is a resource behind a guard: it keeps the body of the last request.
type store struct {
	content string
	token   Token
}

func (s *store) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.content = string(b)
	s.token, _ = FromContext(r.Context())
}

// serve runs a guarded store.
func serve(t *testing.T, r Register) (*store, string) {
	t.Helper()
	s := &store{}
	h, err := Handler(HandlerConfig{
		Lock: func(r *http.Request) string {
			if r.Method == http.MethodGet {
				return ""
			}
			return strings.TrimPrefix(r.URL.Path, "/")
		},
		Register: r,
	}, s)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return s, server.URL
}

// put writes under a token, as a client with a Transport does.
func put(t *testing.T, url string, token Token, content string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(NewContext(t.Context(), token), http.MethodPut, url, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&Transport{}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// TestThePausedHolder is the story of 2016: client 1 is granted the lock, pauses, its lease ends, client 2 is granted the
// lock and writes; client 1 wakes up, believes to hold the lock, and writes.
func TestThePausedHolder(t *testing.T) {
	dir, err := OpenDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, register := range map[string]Register{"memory": &Memory{}, "directory": dir} {
		t.Run(name, func(t *testing.T) {
			s, url := serve(t, register)
			first, second := Token{"file", 33, false}, Token{"file", 34, false}
			if r := put(t, url+"/file", second, "of 2"); r.StatusCode != http.StatusOK {
				t.Fatal(r.Status)
			}
			r := put(t, url+"/file", first, "of 1")
			if r.StatusCode != http.StatusPreconditionFailed || s.content != "of 2" || s.token != second {
				t.Errorf("%s, and the store has %q", r.Status, s.content)
			}
			var p problem
			if err := json.NewDecoder(r.Body).Decode(&p); err != nil || p.Lock != "file" || p.Token != "33" || p.Greatest != "34" {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	s, url := serve(t, &Memory{})
	for _, c := range []struct {
		header []string
		status int
	}{
		{nil, http.StatusPreconditionRequired},
		{[]string{"x"}, http.StatusBadRequest},
		{[]string{"1; lock=file", "2; lock=file"}, http.StatusBadRequest},
		{[]string{"1; lock=another"}, http.StatusPreconditionFailed},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/file", strings.NewReader("x"))
		r.Header[Header] = c.header
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.status || s.content != "" || response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%q: %s", c.header, response.Status)
		}
	}
	response, err := http.Get(url + "/file")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("what needs no lock: %v, %v", response, err)
	}
	_ = response.Body.Close()
}

// broken is a register that cannot be kept.
type broken struct{}

func (broken) Admit(context.Context, Token) (func(), error) {
	return nil, &OpError{"write", errors.New("no space left")}
}

func TestWithoutItsRegisterNobodyIsLetIn(t *testing.T) {
	s, url := serve(t, broken{})
	if r := put(t, url+"/file", Token{"file", 1, false}, "x"); r.StatusCode != http.StatusServiceUnavailable || s.content != "" {
		t.Error(r.Status)
	}
	if _, err := Handler(HandlerConfig{}, s); err == nil {
		t.Error("a handler without a register is made")
	}
}

func TestARequestWithoutATokenIsNotSent(t *testing.T) {
	s, url := serve(t, &Memory{})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/file", strings.NewReader("x"))
	if _, err := (&Transport{}).RoundTrip(r); err == nil || s.content != "" {
		t.Errorf("sent: %v", err)
	}
	response, err := (&Transport{Optional: true}).RoundTrip(r.Clone(t.Context()))
	if err != nil || response.StatusCode != http.StatusPreconditionRequired {
		t.Errorf("%v, %v", response, err)
	}
	_ = response.Body.Close()
}

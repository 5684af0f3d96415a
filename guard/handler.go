package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// HandlerConfig says what a handler guards.
type HandlerConfig struct {
	// Lock says which lock guards what a request is for. The resource must say it, not the client, who
	// may hold another lock. "" lets the request pass: it needs no lock.
	Lock func(*http.Request) string
	// Register remembers. With several processes, or if a restart must not forget, use a [Directory].
	Register Register
}

// Handler lets requests pass to next that come with a token which is not stale, and those under greater tokens
// only when those under lesser ones are through. It refuses what has no token with status 428, what is
// malformed with 400, and with 412 what is stale or for another lock; the body names the lock and the greatest
// token seen. If the register cannot be kept the status is 503 and next is not asked.
func Handler(cfg HandlerConfig, next http.Handler) (http.Handler, error) {
	if cfg.Lock == nil || cfg.Register == nil || next == nil {
		return nil, &OpError{"make a handler", errors.New("a Lock, a Register and the next handler are needed: give all three")}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock := cfg.Lock(r)
		if lock == "" {
			next.ServeHTTP(w, r)
			return
		}
		t, status, err := tokenOf(r, lock)
		if err != nil {
			refuse(w, status, lock, t, err)
			return
		}
		done, err := cfg.Register.Admit(r.Context(), t)
		if err != nil {
			status = http.StatusServiceUnavailable
			if errors.Is(err, ErrStale) {
				status = http.StatusPreconditionFailed
			}
			refuse(w, status, lock, t, err)
			return
		}
		defer done()
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), t)))
	}), nil
}

// tokenOf reads the token of a request for what a lock guards.
func tokenOf(r *http.Request, lock string) (Token, int, error) {
	values := r.Header.Values(Header)
	if len(values) == 0 {
		return Token{}, http.StatusPreconditionRequired, &OpError{"admit", fmt.Errorf("the header %s is missing: enter lock %q and send its token", Header, lock)}
	}
	if len(values) > 1 {
		return Token{}, http.StatusBadRequest, &OpError{"admit", fmt.Errorf("the header %s is there %d times: send one token", Header, len(values))}
	}
	t, err := ParseToken(values[0])
	if err != nil {
		return Token{}, http.StatusBadRequest, err
	}
	if t.Lock != lock {
		return t, http.StatusPreconditionFailed, &OpError{"admit", fmt.Errorf("the token is for lock %q, and lock %q guards this: enter that one", t.Lock, lock)}
	}
	return t, 0, nil
}

// problem is the body of a refusal (RFC 9457). The numbers are strings, for they may be
// greater than what every reader of JSON can tell exactly.
type problem struct {
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Lock     string `json:"lock"`
	Token    string `json:"token,omitempty"`
	Greatest string `json:"greatest,omitempty"`
}

func refuse(w http.ResponseWriter, status int, lock string, t Token, why error) {
	p := problem{Title: http.StatusText(status), Status: status, Detail: why.Error(), Lock: lock}
	if t.Number != 0 {
		p.Token = strconv.FormatUint(t.Number, 10)
	}
	var stale *Stale
	if errors.As(why, &stale) {
		p.Greatest = strconv.FormatUint(stale.Greatest, 10)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p) // whoever asked may be gone
}

// Transport adds the token of a request's context ([NewContext]) to the request. A request without
// one is not sent, unless Optional is set.
type Transport struct {
	Base     http.RoundTripper // default: http.DefaultTransport
	Optional bool
}

// RoundTrip sends a request with its token.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	token, ok := FromContext(r.Context())
	err := token.check()
	if !ok && t.Optional {
		return base.RoundTrip(r)
	}
	if !ok || err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as a RoundTripper must
		}
		return nil, &OpError{"send", errors.New("the request's context has no valid token: make it with guard.NewContext from lock.Token()")}
	}
	r = r.Clone(r.Context())
	r.Header.Set(Header, token.String())
	return base.RoundTrip(r)
}

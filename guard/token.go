package guard

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/holdfast-ha/holdfast/guard/fence"
)

// Header is the header of a request to a guarded resource; its value is [Token.String].
const Header = "Holdfast-Token"

// nameMax is the longest name of a lock in bytes, as in service/lock.
const nameMax = 200

// headerMax is the longest value of a header that is read: a name of which every byte is escaped, and the rest.
const headerMax = 3*nameMax + 64

// Token says under which grant something is done.
type Token struct {
	Lock   string // the lock's name, 1 to 200 bytes
	Number uint64 // the fencing token; 0 is none
	Shared bool   // the lock was entered for shared use
}

// String is the token as a header has it: "17; lock=deploy%2Fdb; shared".
func (t Token) String() string {
	// QueryEscape leaves what RFC 3986 calls unreserved, and makes a space a plus.
	s := strconv.FormatUint(t.Number, 10) + "; lock=" + strings.ReplaceAll(url.QueryEscape(t.Lock), "+", "%20")
	if t.Shared {
		s += "; shared"
	}
	return s
}

// ParseToken reads what String has written, and nothing else.
func ParseToken(s string) (Token, error) {
	bad := &OpError{"parse token", fmt.Errorf("%.80q is none: write %q, from lock.Token()", s, "17; lock=name")}
	if len(s) > headerMax {
		return Token{}, bad
	}
	number, rest, ok := strings.Cut(s, "; lock=")
	rest, shared := strings.CutSuffix(rest, "; shared")
	name, err := url.PathUnescape(rest)
	n, err2 := strconv.ParseUint(number, 10, 64)
	t := Token{name, n, shared}
	if !ok || err != nil || err2 != nil || t.check() != nil || t.String() != s {
		return Token{}, bad
	}
	return t, nil
}

// check says what is wrong with a token.
func (t Token) check() error {
	switch {
	case t.Number == 0:
		return &OpError{"check token", errors.New("the number is 0, which is never given: use that of the grant")}
	case t.Lock == "" || len(t.Lock) > nameMax:
		return &OpError{"check token", fmt.Errorf("the name of the lock has %d bytes: 1 to %d are possible", len(t.Lock), nameMax)}
	}
	return nil
}

// ErrStale is what errors of refused tokens are: errors.Is(err, guard.ErrStale).
var ErrStale = errors.New("the token is stale")

// Stale refuses a token.
type Stale struct {
	Token    Token
	Greatest uint64 // the greatest token seen, exclusive or shared
}

// Unwrap gives ErrStale.
func (e *Stale) Unwrap() error { return ErrStale }

// Error says what was refused and what helps.
func (e *Stale) Error() string {
	return fmt.Sprintf("guard: token %d of lock %q is stale: %d was seen; the lock has another owner: stop, and enter it anew", e.Token.Number, e.Token.Lock, e.Greatest)
}

// OpError is an error of a guard that is no refusal: what it did, and what was wrong.
type OpError struct {
	Op  string
	Err error
}

// Error is the operation and the reason.
func (e *OpError) Error() string { return "guard: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *OpError) Unwrap() error { return e.Err }

// seen is the greatest tokens seen of a lock.
type seen fence.Fence

// greatest is the greater of both.
func (s seen) greatest() uint64 { return fence.Fence(s).Greatest() }

// stale says whether a token has become stale.
func (s seen) stale(t Token) bool {
	return fence.Fence(s).Stale(t.Number, t.Shared)
}

// with is what was seen when t was seen, too.
func (s seen) with(t Token) seen {
	return seen(fence.Fence(s).With(t.Number, t.Shared))
}

// contextKey is that of the token in a context.
type contextKey struct{}

// NewContext gives a context that carries a token, for [Transport].
func NewContext(ctx context.Context, t Token) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// FromContext gives the token that a context carries.
func FromContext(ctx context.Context) (Token, bool) {
	t, ok := ctx.Value(contextKey{}).(Token)
	return t, ok
}

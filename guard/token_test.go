package guard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	for _, token := range []Token{{"deploy/db", 17, false}, {"a b", 1, true}, {"数; shared", 1<<64 - 1, false}, {strings.Repeat("ü", 100), 1, true}} {
		if got, err := ParseToken(token.String()); got != token || err != nil {
			t.Errorf("%q is read as %+v, %v", token.String(), got, err)
		}
	}
	if got := (Token{"deploy/db", 17, true}).String(); got != "17; lock=deploy%2Fdb; shared" {
		t.Errorf("written as %q", got)
	}
	for _, bad := range []string{
		"", "17", "17; lock=", "0; lock=a", "017; lock=a", "+1; lock=a", "18446744073709551616; lock=a", "17;lock=a", "17; lock=a; exclusive",
		"17; lock=%zz", "17; lock=%61", "17; lock=a b", "1; lock=" + strings.Repeat("a", 201), strings.Repeat("1", 10000),
	} {
		var op *OpError
		if got, err := ParseToken(bad); !errors.As(err, &op) {
			t.Errorf("%.40q is read as %+v, %v", bad, got, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("17; lock=deploy%2Fdb; shared")
	f.Fuzz(func(t *testing.T, s string) {
		if token, err := ParseToken(s); err == nil && token.String() != s {
			t.Fatalf("%q is read as %+v", s, token)
		}
	})
}

// TestStale compares the two numbers that are kept with all tokens ever seen: a token is stale if a greater one
// was seen and one of both is exclusive.
func TestStale(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var s seen
		var all []Token
		for range 12 {
			token := Token{"x", 1 + rng.Uint64N(20), rng.IntN(2) == 0}
			want := false
			for _, o := range all {
				want = want || o.Number >= token.Number && o != token && !(o.Shared && token.Shared)
			}
			if got := s.stale(token); got != want {
				t.Fatalf("%v after %v: stale %v", token, all, got)
			}
			if !want {
				s = s.with(token)
				all = append(all, token)
			}
		}
	}
}

// TestMemoryWaitsForWhoIsIn: who was let in under a lesser token is waited for, and nobody new is let in under
// it.
func TestMemoryWaitsForWhoIsIn(t *testing.T) {
	var m Memory
	ctx := context.Background()
	in := func(n uint64, shared bool) (func(), error) { return m.Admit(ctx, Token{"x", n, shared}) }
	old, err := in(1, false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := in(1, false) // of the same owner many may be in
	if err != nil {
		t.Fatal(err)
	}
	admitted := make(chan error)
	go func() {
		done, err := in(2, false)
		if err == nil {
			done()
		}
		admitted <- err
	}()
	for { // until 2 has been seen
		done, err := in(1, false)
		if errors.Is(err, ErrStale) {
			break
		}
		done()
	}
	old()
	select {
	case <-admitted:
		t.Fatal("2 is in while 1 is")
	default:
	}
	again()
	if err := <-admitted; err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("enough"))
	three, _ := in(3, true)
	defer three()
	if _, err := m.Admit(ended, Token{"x", 4, false}); err == nil || err.Error() != "enough" {
		t.Errorf("waiting ends with %v", err)
	}
	if _, err := in(3, true); !errors.Is(err, ErrStale) {
		t.Errorf("a shared token after a greater exclusive one: %v", err)
	}
	for i := range memoryMax {
		if _, _, err := m.try(Token{fmt.Sprint("l", i), 1, false}); err != nil && i < memoryMax-1 {
			t.Fatal(err)
		} else if err == nil && i == memoryMax-1 {
			t.Error("there is no bound")
		}
	}
}

func TestSharedTokensActTogether(t *testing.T) {
	var m Memory
	for _, n := range []uint64{7, 5, 9} {
		if _, err := m.Admit(context.Background(), Token{"x", n, true}); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

package fence

import "testing"

// TestStale compares the two numbers with all tokens that were ever seen: a token is stale if a greater one was, and
// one of both excludes the other. No number is given twice, so one that was seen shared and comes exclusive
// is somebody's mistake, and refused.
func TestStale(t *testing.T) {
	type token struct {
		number uint64
		shared bool
	}
	const most = 4
	var all []token
	for n := range uint64(most) {
		all = append(all, token{n + 1, false}, token{n + 1, true})
	}
	var try func(f Fence, seen []token)
	try = func(f Fence, seen []token) {
		for _, k := range all {
			want := false
			for _, s := range seen {
				want = want || s.number > k.number && !(s.shared && k.shared) || s.number == k.number && s.shared != k.shared
			}
			if got := f.Stale(k.number, k.shared); got != want {
				t.Fatalf("after %v token %v: stale %v, want %v", seen, k, got, want)
			}
			if !want && len(seen) < 4 {
				try(f.With(k.number, k.shared), append(seen[:len(seen):len(seen)], k))
			}
		}
	}
	try(Fence{}, nil)
	if f := (Fence{}).With(3, true).With(2, false); f.Greatest() != 3 {
		t.Errorf("the greatest of %+v is %d", f, f.Greatest())
	}
}

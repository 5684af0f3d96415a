package locks_test

import (
	"slices"
	"testing"

	judges "github.com/holdfast-ha/holdfast/check/service"
)

// The judges are no better than the histories that they are given. So one of a real run, which they find good, is changed
// a little in each way that they must see.
func TestWhatIsWrongInAHistoryIsFound(t *testing.T) {
	w := newWorld(t, 7)
	w.await("enough done", func() bool {
		return !slices.ContainsFunc(w.clients, func(p *process) bool { return w.held(p) < 12 })
	})
	w.calm()
	good := w.facts
	for _, f := range []struct {
		what    string
		promise []string
		change  func(facts []judges.Fact) ([]judges.Fact, bool)
	}{
		{"a client that goes on believing", []string{"lease", "exclusion"}, func(facts []judges.Fact) ([]judges.Fact, bool) {
			// the last belief of somebody, before another is granted the same lock alone
			for i, f := range facts {
				later := slices.IndexFunc(facts[i:], func(g judges.Fact) bool {
					return g.Kind == judges.Granted && g.Key == f.Key && !g.Shared && g.Client != f.Client
				})
				if f.Kind == judges.Dropped && later > 0 {
					facts = slices.Insert(facts, i+later+1, f)
					return slices.Delete(facts, i, i+1), true
				}
			}
			return nil, false
		}},
		{"a lock that is granted while another has it", []string{"exclusion"}, drop(judges.Quit, func(f judges.Fact) bool { return f.Value != 0 })},
		{"a waiter that is passed by", []string{"queue"}, func(facts []judges.Fact) ([]judges.Fact, bool) {
			for i, f := range facts {
				if f.Kind != judges.Asked {
					continue
				}
				j := slices.IndexFunc(facts[i+1:], func(g judges.Fact) bool { return g.Kind == judges.Asked && g.Key == f.Key && g.Session != f.Session })
				k := slices.IndexFunc(facts[i+1:], func(g judges.Fact) bool {
					return (g.Kind == judges.Granted || g.Kind == judges.Quit && g.Value == 0) && g.Session == f.Session
				})
				if j < 0 || j > k || facts[i+1+k].Kind != judges.Granted {
					continue
				}
				if other := facts[i+1+j].Session; !slices.ContainsFunc(facts[i+2+j:i+1+k], func(g judges.Fact) bool { // it waits until then
					return g.Kind == judges.Quit && g.Session == other
				}) {
					facts[i], facts[i+1+j] = facts[i+1+j], facts[i]
					return facts, true
				}
			}
			return nil, false
		}},
		{"a write under a token that came too late", []string{"fencing"}, func(facts []judges.Fact) ([]judges.Fact, bool) {
			for i, f := range facts {
				j := slices.IndexFunc(facts[i+1:], func(g judges.Fact) bool {
					return g.Kind == judges.Wrote && g.Key == f.Key && g.Value > f.Value && !g.Shared
				})
				if f.Kind == judges.Wrote && j >= 0 {
					return slices.Insert(facts, i+j+2, f), true
				}
			}
			return nil, false
		}},
		{"a token that was given before", []string{"fencing"}, func(facts []judges.Fact) ([]judges.Fact, bool) {
			for i := len(facts) - 1; i >= 0; i-- {
				if facts[i].Kind == judges.Granted {
					facts[i].Value = 1
					return facts, true
				}
			}
			return nil, false
		}},
	} {
		t.Run(f.what, func(t *testing.T) {
			facts, is := f.change(slices.Clone(good))
			if !is {
				t.Fatal("the history has nothing of the kind")
			}
			verdict := sentence(facts)
			if verdict == nil {
				t.Fatal("nobody sees it")
			}
			if !slices.Contains(f.promise, verdict.Promise) {
				t.Errorf("it is taken for another promise: %v", verdict)
			}
			t.Log(verdict)
		})
	}
}

// drop takes out the first fact of a kind after which somebody is granted the lock alone.
func drop(k judges.Kind, which func(judges.Fact) bool) func([]judges.Fact) ([]judges.Fact, bool) {
	return func(facts []judges.Fact) ([]judges.Fact, bool) {
		for i, f := range facts {
			if f.Kind == k && which(f) && slices.ContainsFunc(facts[i:], func(g judges.Fact) bool {
				return g.Kind == judges.Granted && g.Key == f.Key && g.Session != f.Session && !g.Shared
			}) {
				return slices.Delete(facts, i, i+1), true
			}
		}
		return nil, false
	}
}

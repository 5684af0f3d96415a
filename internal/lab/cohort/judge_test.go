package cohort_test

import (
	"slices"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/lab/cohort"
)

// forged is a history that was changed after the fact, and the promise that is broken then.
type forged struct {
	what    string
	promise string
	change  func(w *world, lives []*life) bool // false: there was nothing to change
}

func forgeries() []forged {
	total := func(r cohort.Record) bool { return r.Kind == cohort.Delivered && r.Order&4 != 0 }
	return []forged{
		{"a delivery that one member does not have", "", func(_ *world, lives []*life) bool {
			return drop(lives[1], func(r cohort.Record) bool { return r.Kind == cohort.Delivered && r.Order == 0 })
		}},
		{"a delivery that comes twice", "integrity", func(_ *world, lives []*life) bool {
			r := &lives[1].records
			i := slices.IndexFunc(*r, func(r cohort.Record) bool { return r.Kind == cohort.Delivered })
			*r = slices.Insert(*r, i+1, (*r)[i])
			return true
		}},
		{"a message that comes otherwise than it was sent", "integrity", func(_ *world, lives []*life) bool {
			i := slices.IndexFunc(lives[2].records, func(r cohort.Record) bool { return r.Kind == cohort.Delivered })
			lives[2].records[i].Sum++
			return true
		}},
		// The judge of causality may see it first.
		{"two total messages in another order", "", func(_ *world, lives []*life) bool {
			r := lives[1].records
			for i := range len(r) - 1 {
				if total(r[i]) && total(r[i+1]) && r[i].From != r[i+1].From {
					r[i], r[i+1] = r[i+1], r[i]
					r[i+1].At = r[i].At // neither may come before it was sent
					return true
				}
			}
			return false
		}},
		{"a view with one member less", "view agreement", func(_ *world, lives []*life) bool {
			i := slices.IndexFunc(lives[2].records, func(r cohort.Record) bool { return r.Kind == cohort.Viewed && len(r.Members) == 3 })
			r := &lives[2].records[i]
			r.Members, r.Incarnations = r.Members[:2], r.Incarnations[:2]
			return true
		}},
		{"a state that lacks a message", "state transfer", func(_ *world, lives []*life) bool {
			for _, l := range lives {
				for i := range l.records {
					if r := &l.records[i]; r.Kind == cohort.Restored && len(r.State) > 26 {
						r.State = r.State[26:]
						return true
					}
				}
			}
			return false
		}},
		{"a member that never comes in", "liveness", func(_ *world, lives []*life) bool {
			return drop(lives[len(lives)-1], func(r cohort.Record) bool { return r.Kind == cohort.Viewed || r.Kind == cohort.Delivered })
		}},
	}
}

// drop takes records out: one if it is a delivery, and all else.
func drop(l *life, which func(cohort.Record) bool) bool {
	before := len(l.records)
	if i := slices.IndexFunc(l.records, which); i >= 0 {
		if l.records[i].Kind == cohort.Delivered { // one of many
			l.records = slices.Delete(l.records, i, i+1)
		} else {
			l.records = slices.DeleteFunc(l.records, which)
		}
	}
	return len(l.records) < before
}

// The judges are no better than the histories that they are given. So one of a real run,
// which they find good, is changed a little in each way that they must see.
func TestWhatIsWrongInAHistoryIsFound(t *testing.T) {
	w := newWorld(t, shape{members: 3, transport: "udp"}, 10)
	w.found()
	w.killAndReturn(w.seniors()[2])
	w.calm()
	for _, f := range forgeries() {
		t.Run(f.what, func(t *testing.T) {
			lives := make([]*life, len(w.lives))
			for i, l := range w.lives {
				twin := *l
				twin.records = slices.Clone(l.records)
				lives[i] = &twin
			}
			if !f.change(w, lives) {
				t.Fatal("the history has nothing of the kind")
			}
			verdict, _, err := judge(&w.roster, lives, true, true, cohort.Now())
			if err != nil || verdict == nil {
				t.Fatalf("nobody sees it; error %v", err)
			}
			if f.promise != "" && verdict.Promise != f.promise {
				t.Errorf("it is taken for another promise: %v", verdict)
			}
			t.Log(verdict)
		})
	}
}

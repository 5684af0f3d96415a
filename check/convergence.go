package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// convergence: some time after calm every copy equals its source, object by object, and
// is shown as proven.
type convergence struct {
	ledger *Ledger
	calmed time.Duration
}

// Convergence judges that, when the history ends, every copy equals its source and is
// proven.
func Convergence(l *Ledger) Judge { return &convergence{ledger: l} }

// Promise names the promise.
func (j *convergence) Promise() string { return "convergence" }

// Hear judges the end.
func (j *convergence) Hear(f *Fact) error {
	switch f.Kind {
	case Calmed:
		j.calmed = f.At
	case Ended:
		return j.end(f)
	}
	return nil
}

func (j *convergence) end(f *Fact) error {
	l := j.ledger
	for i := range l.nodes {
		for k := range l.nodes {
			from, holder := view.ID(i+1), view.ID(k+1)
			if from == holder {
				continue
			}
			if !l.Same(from, holder, true) {
				return fmt.Errorf("%v after calm %s", f.At-j.calmed, l.difference(from, holder))
			}
		}
	}
	if f.Value == 0 {
		return fmt.Errorf("%v after calm all copies are equal, but not all are shown as proven", f.At-j.calmed)
	}
	return nil
}

// sortedKeys gives the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

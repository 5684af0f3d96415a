package check

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/trace"
)

// bounds: everything stays within its limit, and what was not taken is named.
type bounds struct {
	named []bool // by node: a limit was named since its last Turned
}

// Bounds judges what nodes use, and that an object that is not taken is named in the
// trace before.
func Bounds(nodes int) Judge { return &bounds{named: make([]bool, nodes)} }

// Promise names the promise.
func (j *bounds) Promise() string { return "bounds" }

// Hear judges a use or a refusal.
func (j *bounds) Hear(f *Fact) error {
	switch f.Kind {
	case Used:
		if f.Value > f.Limit {
			return fmt.Errorf("%v has %d %s; %d is the most", f.Node.ID, f.Value, f.Name, f.Limit)
		}
	case Traced:
		if f.Event.Kind == trace.Overflow || f.Event.Kind == trace.Refused {
			j.named[f.Node.ID-1] = true
		}
	case Turned:
		if !j.named[f.Node.ID-1] {
			return fmt.Errorf("%v did not take the object %q and said nothing of a limit", f.Node.ID, f.Key)
		}
		j.named[f.Node.ID-1] = false
	}
	return nil
}

package check

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// address: in each epoch one member at most is told to raise the addresses, and only after
// that life of it was told that all state is in its table; what a life is asked never goes back to an
// earlier epoch. Two hosts may hold the addresses at once only while they cannot know of
// each other, so not after calm.
type address struct {
	raised map[uint64]view.Member // by epoch
	nodes  []nodeEpochs
	calm   bool
}

// nodeEpochs is what a life was asked and told.
type nodeEpochs struct {
	life      view.Incarnation
	asked     uint64 // the highest epoch of any command
	committed uint64 // the epoch of the last Commit that was answered
	holds     bool
}

// Address judges commands and holders.
func Address(nodes int) Judge {
	return &address{raised: map[uint64]view.Member{}, nodes: make([]nodeEpochs, nodes)}
}

// Promise names the promise.
func (j *address) Promise() string { return "address" }

// Hear judges a command, or who holds the addresses.
func (j *address) Hear(f *Fact) error {
	switch f.Kind {
	case Booted:
		n := &j.nodes[f.Node.ID-1]
		*n = nodeEpochs{life: f.Node.Incarnation, holds: n.holds}
	case Asked:
		return j.asked(f)
	case Answered:
		if f.Name == "commit" {
			j.nodes[f.Node.ID-1].committed = f.Value
		}
	case Addressed:
		j.nodes[f.Node.ID-1].holds = f.Value == 1
		return j.single()
	case Calmed:
		j.calm = true
		return j.single()
	}
	return nil
}

func (j *address) asked(f *Fact) error {
	n := &j.nodes[f.Node.ID-1]
	if f.Value < n.asked {
		return fmt.Errorf("%v is asked to %s in epoch %d after it was asked something in epoch %d", f.Node, f.Name, f.Value, n.asked)
	}
	n.asked = f.Value
	if f.Name != "raise" {
		return nil
	}
	if n.committed != f.Value {
		return fmt.Errorf("%v is asked to raise in epoch %d; its last commit that is done was in epoch %d", f.Node, f.Value, n.committed)
	}
	if other, ok := j.raised[f.Value]; ok && other.ID != f.Node.ID {
		return fmt.Errorf("%v is asked to raise in epoch %d, and %v was in the same", f.Node, f.Value, other)
	}
	j.raised[f.Value] = f.Node
	return nil
}

// single judges that nobody holds the addresses twice after calm.
func (j *address) single() error {
	holder := -1
	for i := range j.nodes {
		if !j.calm || !j.nodes[i].holds {
			continue
		}
		if holder >= 0 {
			return fmt.Errorf("%v and %v hold the addresses at once, and nothing keeps them from hearing each other", view.ID(holder+1), view.ID(i+1))
		}
		holder = i
	}
	return nil
}

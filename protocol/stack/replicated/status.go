package replicated

import (
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Saved is how far a member's disk has come, as it has told.
type Saved struct {
	Member view.Member
	Index  uint64
}

// Style is how the service is replicated.
func (r *Replica) Style() Style { return r.style }

// Proofs is what is known of the others' copies; false if replies are compared, and digests tell nothing. It is valid until
// anything else is called.
func (r *Replica) Proofs() ([]replica.Proof, bool) { return r.machine.Proofs() }

// Held is how many answers wait for disks.
func (r *Replica) Held() int {
	if r.lasting == nil {
		return 0
	}
	return len(r.lasting.held)
}

// Few says whether the view has too few votes with disks to answer anything.
func (r *Replica) Few() bool { return r.lasting != nil && r.lasting.few() }

// Spoiled says whether what is in memory is not what the disk has, and not to be relied on: until it is given another's state this
// member takes no part in a founding.
func (r *Replica) Spoiled() bool { return r.lasting != nil && r.lasting.spoiled }

// Disks says how far the disk of each configured member has come, this one's among them; nil without a store.
func (r *Replica) Disks() []Saved {
	if r.lasting == nil {
		return nil
	}
	var all []Saved
	for i, s := range r.lasting.saved {
		if !r.lasting.seats[i].Witness {
			all = append(all, Saved{view.Member{ID: r.lasting.seats[i].ID, Incarnation: s.life.Incarnation}, s.index})
		}
	}
	return all
}

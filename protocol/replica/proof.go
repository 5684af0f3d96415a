package replica

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Proof is what is known of another member's copy of the state: what it has told of it, held against this
// member's own.
type Proof struct {
	Member view.Member
	// Told is whether it has told anything in this view, and Index up to which command: the last whose digest it told.
	Told  bool
	Index uint64
	// Diverged is whether that digest was not this member's.
	Diverged bool
	// Since is from when on this member has more than is proven of the other; zero: it has not.
	Since time.Time
}

// Proofs are those of the members of a view.
type Proofs struct{ list []Proof }

// Begin begins anew with a view. Nobody has told anything.
func (p *Proofs) Begin(now time.Time, v *view.View, self view.Member) {
	p.list = p.list[:0]
	for _, s := range v.Seats {
		if s.Member != self && !s.Witness {
			p.list = append(p.list, Proof{Member: s.Member, Since: now})
		}
	}
}

// End forgets all: this member is in no view.
func (p *Proofs) End() { p.list = p.list[:0] }

// Moved tells that this member's state has changed.
func (p *Proofs) Moved(now time.Time) {
	for i := range p.list {
		if p.list[i].Since.IsZero() {
			p.list[i].Since = now
		}
	}
}

// Hear tells that a member's digest after a command was this one's, or was not; last is this one's last command.
func (p *Proofs) Hear(now time.Time, from view.Member, index, last uint64, equal bool) {
	for i := range p.list {
		e := &p.list[i]
		if e.Member != from {
			continue
		}
		e.Diverged = !equal
		switch {
		case equal && index == last:
			e.Since = time.Time{}
		case !e.Told || index > e.Index:
			e.Since = now
		}
		e.Told, e.Index = true, index
	}
}

// All gives them, in order of seniority; valid until the next call of another method.
func (p *Proofs) All() []Proof { return p.list }

package driver

import (
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/replica/passive"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
)

// tenure is for how long this member has a place from which the others cannot go on without its knowledge: in a group, as
// long as it is in a view that has votes enough; of two servers, as long as it is the one that serves. What
// runs beside the state must not outlive it.
type tenure struct {
	has     bool
	blocked bool // the group does not go on, as far as this member knows; others may
}

// Leads says whether this member is one at which calls run beside the state, and the epoch in which it is.
func (r *Replica) Leads() (epoch uint64, leads bool) {
	r.c.Do(func() {
		switch m := r.replica.(type) {
		case *duo.Member:
			epoch, leads = uint64(m.Status().Epoch), m.Leads()
		case *replicated.Replica:
			if leads = r.holds(); !leads {
				return
			}
			epoch = uint64(m.Machine().View().Name.Epoch)
			if p, is := m.Machine().(*passive.Machine); is {
				leads = p.Leads()
			}
		}
	})
	return epoch, leads
}

// holds says whether what runs beside the state may go on. A primary of two that does not hear the other
// says by itself when it must not go on: see resign.
func (r *Replica) holds() bool {
	switch m := r.replica.(type) {
	case *duo.Member:
		role := m.Status().Role
		return role == pair.Primary.String() || role == pair.Single.String()
	case *replicated.Replica:
		return m.Machine().View() != nil && m.Machine().Stopped() == nil && !r.tenure.blocked
	}
	return false
}

// reign follows what was delivered.
func (r *Replica) reign(d *cohort.Delivery) {
	switch d.Kind {
	case cohort.Blocked:
		r.tenure.blocked = true
	case cohort.Unblocked, cohort.Viewed:
		r.tenure.blocked = false
	}
}

// resign tells, once, that this member has no such place any more. The owner calls it after each step.
func (r *Replica) resign(told []replica.Command) {
	if r.cfg.Parted == nil {
		return
	}
	had := r.tenure.has
	r.tenure.has = r.holds()
	ended := had && !r.tenure.has
	for i := range told {
		ended = ended || told[i].Verb == replica.Stopped
	}
	if ended {
		r.cfg.Parted()
	}
}

package passive

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// dispute is a doubt that is looked into.
type dispute struct {
	*replica.Dispute
	told bool // by this member
	over bool
}

// compare holds the digest after an update against the primary's.
func (m *Machine) compare(now time.Time, from view.Member, msg *message, out *replica.Output) {
	own := m.exec.Digest()
	if own == msg.digest || m.doubted || canary == BelievesPrimary {
		return
	}
	m.record(now, trace.Diverged, from.ID, msg.index, own, msg.digest)
	m.doubted = true
	out.Send(binary.AppendUvarint(m.begin(out, kindDoubt), msg.index), false)
}

// disputed is the dispute about an index, begun if it is new; nil if there are too many.
func (m *Machine) disputed(index uint64) *dispute {
	for i := range m.disputes {
		if m.disputes[i].Last == index {
			return &m.disputes[i]
		}
	}
	if len(m.disputes) == disputesMax {
		return nil
	}
	m.disputes = append(m.disputes, dispute{Dispute: replica.NewDispute(m.view, index)})
	return &m.disputes[len(m.disputes)-1]
}

// tell tells this member's digests for each doubt, as soon as it has executed so far.
func (m *Machine) tell(out *replica.Output) {
	if m.fallen || m.halted != nil {
		return
	}
	for i := range m.disputes {
		if d := &m.disputes[i]; !d.told && !d.over && m.exec.Index() >= d.Last {
			d.told = true
			out.Send(replica.AppendRing(m.begin(out, kindRing), m.exec, d.Last), false)
		}
	}
}

// vote takes one member's digests, and decides when all have told.
func (m *Machine) vote(now time.Time, from view.Member, msg *message, out *replica.Output) {
	d := m.disputed(msg.index)
	if d == nil || d.over || !d.Tell(m.view, from, msg.ring) {
		return
	}
	d.over = true
	c, differ := d.Judge(m.view, &m.heads)
	if !differ {
		return
	}
	c.Members = slices.DeleteFunc(c.Members, func(who view.Member) bool {
		return c.Verb == replica.Diverged && slices.Contains(m.named, who)
	})
	if len(c.Members) == 0 {
		return
	}
	m.named = append(m.named, c.Members...)
	for _, who := range c.Members {
		m.record(now, trace.Diverged, who.ID, c.Index, 0, 0)
	}
	out.Do = append(out.Do, c)
	switch {
	case c.Verb == replica.Halted:
		m.halted = &c
		m.drop()
	case slices.Contains(c.Members, m.cfg.Self) && canary != KeepsDiverged:
		m.damaged = true
		m.restart(out)
	}
}

// restart gives the state up: it is not to be used.
func (m *Machine) restart(out *replica.Output) {
	m.fallen = true
	m.drop()
	out.Do = append(out.Do, replica.Command{Verb: replica.Restart})
}

// drop forgets what was asked and is not answered: clients ask again, another.
func (m *Machine) drop() {
	m.waiting.Clear()
	m.asked.Clear()
	m.ahead.Clear()
	m.repeats.Clear()
	m.passing = false
}

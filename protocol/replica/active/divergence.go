package active

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// hold compares the digest that comes with a message to this member's own.
func (m *Machine) hold(now time.Time, from view.Member, msg *message, out *Output) {
	own, known := m.exec.At(msg.index)
	if from != m.cfg.Self && known {
		m.proofs.Hear(now, from, msg.index, m.exec.Index(), own == msg.digest || canary == BelievesDigests)
	}
	if from == m.cfg.Self || m.dispute != nil || m.doubted {
		return
	}
	if !known || own == msg.digest || canary == BelievesDigests {
		return
	}
	m.record(now, trace.Diverged, from.ID, msg.index, own)
	m.doubted = true
	m.send(now, 0, m.begin(out, kindDoubt), out)
}

// open begins the telling. All members are at the same index when they hear the doubt.
func (m *Machine) open(now time.Time, out *Output) {
	if m.dispute != nil || m.view == nil {
		return
	}
	m.dispute = replica.NewDispute(m.view, m.exec.Index())
	m.ring(now, out)
}

// ring tells this member's digests.
func (m *Machine) ring(now time.Time, out *Output) {
	m.untold = false
	m.send(now, 0, replica.AppendRing(m.begin(out, kindRing), m.exec, m.dispute.Last), out)
}

// vote takes one member's digests. All members do in the same order, so all decide alike.
func (m *Machine) vote(now time.Time, from view.Member, msg *message, out *Output) {
	d := m.dispute
	if d == nil || m.view == nil || msg.last != d.Last || len(msg.ring) == 0 || !d.Tell(m.view, from, msg.ring) {
		return
	}
	m.dispute, m.doubted, m.untold = nil, false, false
	c, differ := d.Judge(m.view, &m.heads)
	if !differ {
		return
	}
	for _, who := range c.Members {
		m.record(now, trace.Diverged, who.ID, c.Index, 0)
		if who == m.cfg.Self && c.Verb == Diverged && canary != KeepsDiverged {
			m.fallen = true
			out.Do = append(out.Do, Command{Verb: Restart})
		}
	}
	out.Do = append(out.Do, c)
	if c.Verb == Halted {
		m.halted = &c
	}
}

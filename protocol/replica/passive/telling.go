package passive

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// telling is what members tell one another of their digests, without a doubt: so that each knows what of its state the others
// have.
type telling struct {
	proofs replica.Proofs
	at     time.Time // when this member tells its own; zero: all know it
	claims []claim   // of those that have come further than this member
}

// claim is a digest that is to be compared as soon as this member has come so far.
type claim struct {
	from          view.Member
	index, digest uint64
}

func (t *telling) begin(now time.Time, v *view.View, self view.Member) {
	t.proofs.Begin(now, v, self)
	t.claims = t.claims[:0]
	t.again(now)
}

func (t *telling) end() {
	t.proofs.End()
	t.claims, t.at = t.claims[:0], time.Time{}
}

// again has this member tell its digest, soon.
func (t *telling) again(now time.Time) {
	if t.at.IsZero() {
		t.at = now.Add(tellAfter)
	}
}

// keep keeps a claim in the place of an earlier one of the same member, so that there are no more than members.
func (t *telling) keep(c claim) {
	for i := range t.claims {
		if t.claims[i].from == c.from {
			t.claims[i] = c
			return
		}
	}
	t.claims = append(t.claims, c)
}

// settle notes that an update was delivered here. What others have said of it can be compared.
func (m *Machine) settle(now time.Time, index uint64) {
	m.settled = index
	m.telling.again(now)
	for i := 0; i < len(m.telling.claims); {
		if c := m.telling.claims[i]; c.index <= index {
			m.hold(now, c)
			m.telling.claims = append(m.telling.claims[:i], m.telling.claims[i+1:]...)
			continue
		}
		i++
	}
}

// heard takes what another tells.
func (m *Machine) heard(now time.Time, from view.Member, msg *message) {
	c := claim{from, msg.index, msg.digest}
	switch {
	case from == m.cfg.Self:
	case c.index > m.settled:
		m.telling.keep(c)
	default:
		m.hold(now, c)
	}
}

// hold compares what another has told to what is here.
func (m *Machine) hold(now time.Time, c claim) {
	if own, known := m.exec.At(c.index); known {
		m.telling.proofs.Hear(now, c.from, c.index, m.exec.Index(), own == c.digest || canary == BelievesPrimary)
	}
}

// tellDigest tells this member's digest, if it is time: of what was delivered, since a primary may take back what it is ahead.
func (m *Machine) tellDigest(now time.Time, out *replica.Output) {
	if m.telling.at.IsZero() || now.Before(m.telling.at) {
		return
	}
	m.telling.at = time.Time{}
	if digest, known := m.exec.At(m.settled); known {
		b := binary.AppendUvarint(m.begin(out, kindTell), m.settled)
		out.Send(binary.BigEndian.AppendUint64(b, digest), false)
	}
}

// Proofs is what is known of the others' copies; valid until anything else is called.
func (m *Machine) Proofs() ([]replica.Proof, bool) { return m.telling.proofs.All(), true }

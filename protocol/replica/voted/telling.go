package voted

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// hear compares the digest that another has told, by a vote or without one, to this member's own. Messages are in the agreed
// order: what another has executed when it sends one, this member has when it takes it, if it was not given a later state.
func (m *Machine) hear(now time.Time, from view.Member, index, digest uint64) {
	if own, known := m.exec.At(index); known && from != m.cfg.Self {
		m.proofs.Hear(now, from, index, m.exec.Index(), own == digest)
	}
}

// moved notes that the state has changed.
func (m *Machine) moved(now time.Time) {
	m.proofs.Moved(now)
	if m.tellAt.IsZero() {
		m.tellAt = now.Add(tellAfter)
	}
}

// tell tells the digest of a member that does not vote: the others know it from nothing else.
func (m *Machine) tell(now time.Time, out *replica.Output) {
	if m.tellAt.IsZero() || now.Before(m.tellAt) {
		return
	}
	m.tellAt = time.Time{}
	if m.votes() || m.cfg.Comparer != nil {
		return
	}
	digest, _ := m.exec.At(m.exec.Index())
	b := append(out.Message(), byte(kindTell))
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(m.view.Name.Epoch)), m.exec.Index())
	out.Send(binary.BigEndian.AppendUint64(b, digest), true)
	m.pending.Push(0, 0)
}

// Proofs is what is known of the others' copies, valid until anything else is called; false if replies are compared: then
// states may differ by right.
func (m *Machine) Proofs() ([]replica.Proof, bool) { return m.proofs.All(), m.cfg.Comparer == nil }

package voted

import (
	"bytes"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Comparer says which replies of a service count as the same. It must be deterministic.
type Comparer interface {
	// Same says whether the bodies of two replies count as the same.
	Same(a, b []byte) bool
	// Choose appends the body that stands for those that do, such as their median, to dst.
	Choose(dst []byte, bodies [][]byte) []byte
}

// sumOf is FNV-1a of 64 bits.
func sumOf(b []byte) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, c := range b {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return h
}

// alike says whether two encoded replies count as the same.
func (m *Machine) alike(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, why := session.ParseReply(a)
	y, whyNot := session.ParseReply(b)
	return why == wire.OK && whyNot == wire.OK && x.Status == session.OK && y.Status == session.OK &&
		m.cfg.Comparer.Same(x.Body, y.Body)
}

// choose makes the reply that stands for those that agree.
func (m *Machine) choose(dst []byte, replies [][]byte) []byte {
	r, why := session.ParseReply(replies[0])
	if why != wire.OK || r.Status != session.OK {
		return append(dst, replies[0]...)
	}
	m.bodies = m.bodies[:0]
	for _, b := range replies {
		if x, why := session.ParseReply(b); why == wire.OK {
			m.bodies = append(m.bodies, x.Body)
		}
	}
	m.chosen = m.cfg.Comparer.Choose(m.chosen[:0], m.bodies)
	r.Body = m.chosen
	return r.Append(dst)
}

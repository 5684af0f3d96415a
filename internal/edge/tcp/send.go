package tcp

import (
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Send queues one frame. With [wire.AllLinks] the receiver gets it over every link that
// it has. A frame for [view.Everyone] is sealed once and queued for each of e.Members,
// this member left out. The frame is not needed any more when Send returns.
//
// A frame for which there is no stream, or no room, is lost and counted. An error means
// that nothing was queued: a member is not configured, or none is on the link, the frame
// is longer than [wire.FrameMax], or [seal.ErrExhausted].
func (t *Transport) Send(e wire.Envelope) error {
	if err := t.seal.Check(e.Frame); err != nil {
		return &OpError{Op: "send", Err: err}
	}
	if err := t.reach.Check(&e); err != nil {
		return &OpError{Op: "send", Err: err}
	}
	if e.To != view.Everyone {
		t.push(t.peers[e.To], e.Link, t.makeUnit(seal.Member, e.Link, e.To, e.Frame))
		return nil
	}
	unit := t.makeUnit(seal.Everyone, e.Link, e.To, e.Frame)
	for _, id := range e.Members {
		if m := t.peers[id]; m != nil {
			t.push(m, e.Link, unit)
		}
	}
	return nil
}

// push queues a unit for one member.
func (t *Transport) push(m *peer, number uint8, unit []byte) {
	for i := range t.ports {
		w := &m.ways[i]
		if w.Size == 0 || number != wire.AllLinks && int(number) != i+1 {
			continue
		}
		if w.stream == nil || w.stream.stage != up || !w.stream.push(unit) {
			w.lost++
			continue
		}
		w.out.Add(1, len(unit))
	}
}

// Flush sends what is queued, as far as the kernel has room; what it has none for leaves
// in later calls of [Transport.Receive], when there is. It never blocks and never fails.
func (t *Transport) Flush() {
	for _, p := range t.ports {
		for i := 0; i < len(p.dirty); i++ {
			s := p.dirty[i]
			s.marked = false
			s.flush()
		}
		clear(p.dirty)
		p.dirty = p.dirty[:0]
		if p.changed {
			t.attend(p, t.clock())
		}
	}
}

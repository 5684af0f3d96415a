package stateproxy

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Receive takes the payload of a frame on the state proxy's channel. from is the
// authenticated sender. What is wrong with it is counted and traced, nothing more.
func (m *Machine) Receive(now time.Time, from view.Member, payload []byte, out *Output) {
	if why := m.receive(now, from, payload, out); why != wire.OK {
		m.drops[why]++
		m.record(now, trace.Dropped, from.ID, uint64(why), uint64(wire.StateProxy), 0)
	}
}

func (m *Machine) receive(now time.Time, from view.Member, payload []byte, out *Output) wire.Reason {
	p := m.peer(from.ID)
	if p == nil || from.Incarnation == 0 {
		return wire.UnknownSender
	}
	if from.Incarnation < p.life {
		return wire.OldIncarnation
	}
	m.meet(now, p, from.Incarnation) // the seal proves the life, whatever it says
	r := wire.NewReader(payload)
	k := kind(r.U8())
	if k == kindHello {
		return m.onHello(now, p, &r, out)
	}
	h := readHead(&r)
	if r.Failed() {
		return wire.Malformed
	}
	if h.life != m.cfg.Self.Incarnation {
		// The peer does not know this life yet; our greeting tells it.
		if !now.Before(p.helloAt) {
			m.greet(now, p, helloAsk, out)
		}
		return wire.WrongDestination
	}
	p.heardFrom(now, m)
	switch k {
	case kindData:
		return m.onData(now, p, h, &r, out)
	case kindMark:
		return m.onMark(now, p, h, &r, out)
	case kindAck:
		return m.onAck(now, p, h, &r, out)
	case kindNack:
		return m.onNack(now, p, h, &r, out)
	}
	return wire.Malformed
}

// onHello answers if asked to. That the peer knows this life makes it heard.
func (m *Machine) onHello(now time.Time, p *peer, r *wire.Reader, out *Output) wire.Reason {
	flags, known := r.U8(), view.Incarnation(r.U64())
	if !r.Done() {
		return wire.Malformed
	}
	if known == m.cfg.Self.Incarnation {
		p.heardFrom(now, m) // it lives and knows us, so this is no recording
	}
	if flags&helloAsk != 0 {
		m.greet(now, p, 0, out)
	}
	m.pump(now, &p.sender, out)
	return wire.OK
}

// meet notes the peer's life. A new one knows nothing of what its former life was
// told, and numbers its own messages anew.
func (m *Machine) meet(now time.Time, p *peer, life view.Incarnation) {
	if life == p.life {
		return
	}
	former := p.life != 0
	p.life, p.sender.life = life, life
	p.drop(m)
	p.proof = Proof{State: Unknown}
	p.receiver.begin(0, former && m.cfg.KeepFormer)
	p.receiver.born = p.receiver.round
	p.helloAt = now
	m.record(now, trace.PeerJoined, p.id, uint64(life), 0, 0)
}

// heardFrom notes that the peer lives; one that was away is told everything, unless it
// counts as silent: two that hold each other for silent would begin again at every frame.
func (p *peer) heardFrom(now time.Time, m *Machine) {
	p.heard = now
	if !p.live && !p.silent {
		p.resync(now, m)
	}
}

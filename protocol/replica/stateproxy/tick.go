package stateproxy

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Deadline is when to call Tick next; zero: never.
func (m *Machine) Deadline() time.Time {
	var d time.Time
	for _, p := range m.peers {
		d = earlier(d, p.sender.deadline(m))
		d = earlier(d, p.receiver.deadline())
	}
	return d
}

// earlier is the earlier of two deadlines, zero meaning never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func (s *sender) deadline(m *Machine) time.Time {
	if !s.live {
		return s.helloAt
	}
	d := earlier(s.heard.Add(awayAfter), s.markAt)
	if s.urgent.n >= burst || s.resend.n > 0 || s.canAnnounce(m) {
		return s.heard // in the past: at once
	}
	if s.urgent.n > 0 {
		d = earlier(d, s.dirtySince.Add(m.cfg.Coalesce))
	}
	if s.lazy.n > 0 {
		d = earlier(d, s.lazySince.Add(m.cfg.DestroyDelay))
	}
	return d
}

// canAnnounce says whether a resync may go on.
func (s *sender) canAnnounce(m *Machine) bool {
	return (s.cursor != 0 && s.inflight.n < m.window()) || (s.endOwed && s.cursor == 0 && !m.partial)
}

func (r *receiver) deadline() time.Time { return earlier(r.ackAt, r.nackAt) }

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *Output) {
	for _, p := range m.peers {
		m.tickSender(now, p, out)
		m.tickReceiver(now, p, out)
	}
}

func (m *Machine) tickSender(now time.Time, p *peer, out *Output) {
	s := &p.sender
	if s.live && !now.Before(s.heard.Add(awayAfter)) {
		m.away(now, p)
	}
	if !s.live {
		if !now.Before(s.helloAt) {
			m.greet(now, p, helloAsk, out)
		}
		return
	}
	m.pump(now, s, out)
	if s.live && !s.markAt.IsZero() && !now.Before(s.markAt) {
		m.sendMark(now, s, out)
	}
}

func (m *Machine) tickReceiver(now time.Time, p *peer, out *Output) {
	r := &p.receiver
	if !r.nackAt.IsZero() && !now.Before(r.nackAt) {
		m.askAgain(now, p, out)
	}
	if !r.ackAt.IsZero() && !now.Before(r.ackAt) {
		m.sendAck(p, out)
	}
}

// Flags of a Hello.
const helloAsk = 1 << 0 // an answer is wanted

// greet sends a Hello. It says which life of the peer we know.
func (m *Machine) greet(now time.Time, p *peer, flags byte, out *Output) {
	b := out.Begin(m.header())
	b = append(b, byte(kindHello), flags)
	b = binary.BigEndian.AppendUint64(b, uint64(p.life))
	out.End(p.id, wire.AllLinks, b)
	p.helloAt = now.Add(helloEvery)
}

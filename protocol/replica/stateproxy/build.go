package stateproxy

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// builder fills Data frames for one peer in one step.
type builder struct {
	m      *Machine
	s      *sender
	now    time.Time
	out    *Output
	b      []byte // the frame being filled, nil if none
	frames int
}

// pump sends what is due: first what was asked for again, then changes, then the
// resync, then what may wait, the end marker last. It stops after stepFrames frames;
// the deadline then is now.
func (m *Machine) pump(now time.Time, s *sender, out *Output) {
	if !s.live || s.life == 0 {
		return
	}
	b := &builder{m: m, s: s, now: now, out: out}
	b.resend()
	if s.urgent.n > 0 && m.urgentDue(now, s) {
		b.drain(&s.urgent, inUrgent)
	}
	b.announce()
	if s.lazy.n > 0 && (m.lazyDue(now, s) || b.b != nil) {
		b.drain(&s.lazy, inLazy)
	}
	b.end()
	b.flush()
	if s.urgent.n == 0 {
		s.dirtySince = time.Time{}
	}
	if s.inflight.n > m.cfg.ResendMax {
		m.overflow(now, s.peer, Resend, uint64(s.inflight.n))
		s.resync(now, m)
	}
}

// window is how many messages of a resync may be unconfirmed: a resync must not fill
// the resend queue, which would begin another.
func (m *Machine) window() int { return min(syncWindow, max(1, m.cfg.ResendMax/2)) }

func (m *Machine) urgentDue(now time.Time, s *sender) bool {
	return s.urgent.n >= burst || !now.Before(s.dirtySince.Add(m.cfg.Coalesce))
}

func (m *Machine) lazyDue(now time.Time, s *sender) bool {
	return !now.Before(s.lazySince.Add(m.cfg.DestroyDelay))
}

// resend answers Nacks: the current state under a new number.
func (b *builder) resend() {
	n := 0
	for b.s.resend.n > 0 && b.frames < stepFrames {
		at := b.s.resend.pop()
		k := b.s.mark(at)
		if k.flags&inResend == 0 {
			continue
		}
		k.flags &^= inResend
		b.tell(at, true)
		n++
	}
	if n > 0 {
		b.s.stats.Resent += uint64(n)
		b.m.record(b.now, trace.Resent, b.s.peer, uint64(n), 0, 0)
	}
}

// drain sends a queue of changed objects. What a queue holds may meanwhile have been
// freed, or sent from another queue: its flag is the truth.
func (b *builder) drain(q *queue, flag uint8) {
	for q.n > 0 && b.frames < stepFrames {
		at := q.pop()
		k := b.s.mark(at)
		if k.flags&flag == 0 {
			continue
		}
		k.flags &^= flag
		b.tell(at, false)
	}
}

// announce goes on with a resync as far as its window allows.
func (b *builder) announce() {
	s, own := b.s, &b.m.own
	for s.cursor != 0 && b.frames < stepFrames && s.inflight.n < b.m.window() {
		if s.cursor > own.top {
			s.cursor = 0
			break
		}
		at := s.cursor
		s.cursor++
		if own.taken(at) && !own.at(at).dead && s.mark(at).generation != s.generation {
			b.tell(at, true)
		}
	}
}

// end sends the end marker of a resync once everything was announced.
func (b *builder) end() {
	s := b.s
	if b.m.partial || !s.endOwed || s.cursor != 0 || b.frames >= stepFrames {
		return
	}
	b.space(numberSizeMax)
	b.b = appendOp(b.b, opEnd, 0)
	b.b = binary.AppendUvarint(b.b, s.sent.count)
	s.inflight.end = s.next
	s.sent.upto = s.next
	s.next++
	s.endOwed = false
	b.m.record(b.now, trace.SyncSent, s.peer, uint64(s.generation), s.sent.count, 0)
}

// tell appends the message that brings the peer's copy of a slot up to date; full
// asks for the announcement although the peer may know the key.
func (b *builder) tell(at slot, full bool) {
	s, own := b.s, &b.m.own
	if !own.taken(at) {
		return // freed while it waited
	}
	o, k := own.at(at), s.mark(at)
	fresh := k.generation != s.generation
	if o.dead && fresh {
		b.m.release(at)
		return
	}
	// From here the new number stands for the older one: a frame that begins with this
	// message need not keep the peer waiting for that.
	s.dequeue(at)
	b.space(numberSizeMax + int(o.key) + int(o.state))
	k.flags &^= inUrgent | inLazy
	if fresh {
		k.sent = 0 // of an earlier generation
	}
	s.sent.digest -= k.sent
	switch {
	case o.dead:
		b.b = appendOp(b.b, opDestroy, at)
		if k.sent != 0 {
			s.sent.count--
		}
		k.sent = 0
	case full || fresh || k.sent == 0:
		b.b = appendOp(b.b, opNew, at)
		b.b = wire.AppendBlock(b.b, own.keyOf(at))
		b.b = wire.AppendBlock(b.b, own.stateOf(at))
		b.told(k, o, fresh)
	default:
		state := own.stateOf(at)
		p := min(int(k.stable), len(state))
		b.b = appendOp(b.b, opUpdate, at)
		b.b = binary.AppendUvarint(b.b, uint64(p))
		b.b = wire.AppendBlock(b.b, state[p:])
		b.told(k, o, false)
	}
	s.enqueue(at, s.next)
	s.sent.upto = s.next
	s.next++
	s.stats.Messages++
}

// told accounts for an object whose state was just written. The unchanged prefix is
// set anew only for a slot the peer cannot know: otherwise an Update may overtake the
// announcement and must still fit the state the peer has.
func (b *builder) told(k *mark, o *object, fresh bool) {
	if k.sent == 0 {
		b.s.sent.count++
	}
	k.sent = o.term
	b.s.sent.digest += o.term
	if fresh {
		k.generation, k.stable = b.s.generation, o.state
	} else {
		k.stable = min(k.stable, o.state)
	}
}

// space makes sure that n more bytes fit, in a new frame if need be.
func (b *builder) space(n int) {
	if b.b != nil && b.out.Room(b.b) < n {
		b.flush()
	}
	if b.b != nil {
		return
	}
	s := b.s
	low := s.low()
	b.b = b.out.Begin(b.m.header())
	b.b = appendHead(b.b, kindData, head{s.life, s.generation})
	b.b = binary.AppendUvarint(b.b, low)
	b.b = binary.AppendUvarint(b.b, s.next-low)
}

// flush posts the frame.
func (b *builder) flush() {
	if b.b == nil {
		return
	}
	b.out.End(b.s.peer, wire.AllLinks, b.b)
	b.b = nil
	b.frames++
	b.s.stats.Frames++
	b.s.checkpoint(b.now)
	b.s.probe = probeAfter
	b.s.markAt = b.now.Add(probeAfter)
}

// sendMark tells the peer how far the numbers go and asks it to confirm.
func (m *Machine) sendMark(now time.Time, s *sender, out *Output) {
	b := out.Begin(m.header())
	b = appendHead(b, kindMark, head{s.life, s.generation})
	b = binary.AppendUvarint(b, s.low())
	b = appendPosition(b, s.position())
	out.End(s.peer, wire.AllLinks, b)
	if s.outstanding() {
		s.markAt = now.Add(s.probe)
		s.probe = min(2*max(s.probe, probeAfter), probeMost)
	} else {
		s.markAt = now.Add(aliveEvery)
	}
}

// position is where the stream stands.
func (s *sender) position() position {
	p := s.sent
	p.upto = s.next - 1
	return p
}

// outstanding says whether the peer has not settled all numbers.
func (s *sender) outstanding() bool { return s.acked+1 < s.next }

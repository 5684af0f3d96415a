package stateproxy

import (
	"bytes"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// receiver is the external cache of one peer and what is known of its stream: the
// seed's destination (5.1).
type receiver struct {
	peer  view.ID
	cache cache
	held  []*[chunkSize]held // by slot of the cache

	// round counts the generations over all lives of the peer. An object of an earlier
	// round waits for the end marker, which removes it, or for its announcement.
	round      uint32
	born       uint32 // the first round of the peer's present life
	generation uint32 // 0: none in this life yet
	complete   bool   // the end marker of this generation has been settled
	keep       bool   // objects of a former life stay until Release
	endAt      uint64 // the end marker's number, 0 if not seen

	bindings []binding // by the peer's slot
	gaps     gaps
	replaced uint64 // the replacements of numbers that were never received lie up to here
	digest   uint64 // of the objects of this round
	count    uint64 // of objects of this round

	unacked int           // messages since the last Ack
	ackAt   time.Time     // when an Ack is due at the latest
	nacked  uint64        // everything missing up to here has been asked for
	nackAt  time.Time     // when to ask again for all of it
	patient time.Duration // how long to wait then
	stuck   uint64        // where the settled numbers ended when it was asked for last
	source  position      // where the source's stream stood when last heard of
	last    time.Time     // when that was

	stats Received
}

// held ties an object of the external cache to the peer's slot.
type held struct {
	remote slot
	round  uint32
}

// binding is what the peer's slot stands for in this round.
type binding struct {
	local  slot   // 0: nothing
	number uint64 // of the last message about it
	full   bool   // the object was refused because the cache was full
}

func (r *receiver) held1(s slot) *held {
	for int(s>>chunkBits) >= len(r.held) {
		r.held = append(r.held, new([chunkSize]held))
	}
	return &r.held[s>>chunkBits][s&(chunkSize-1)]
}

// begin starts a round.
func (r *receiver) begin(generation uint32, keep bool) {
	r.round++
	r.generation, r.complete, r.endAt = generation, false, 0
	r.keep = r.keep || keep
	r.bindings = r.bindings[:0]
	r.gaps.reset()
	r.replaced, r.digest, r.count, r.unacked, r.nacked = 0, 0, 0, 0, 0
	r.ackAt, r.nackAt, r.patient, r.stuck = time.Time{}, time.Time{}, nackRetry, 0
	r.source = position{}
}

// follow starts the round of a generation that is newer than the present one, and
// refuses one that is older.
func (r *receiver) follow(generation uint32) wire.Reason {
	switch {
	case generation < r.generation || generation == 0:
		return wire.Stale
	case generation > r.generation:
		r.begin(generation, false)
	}
	return wire.OK
}

// onData takes a frame of numbered messages. Messages are taken in whatever order they
// come; a gap is asked for at once.
func (m *Machine) onData(now time.Time, p *peer, h head, rd *wire.Reader, out *Output) wire.Reason {
	r := &p.receiver
	low := rd.Uvarint()
	first := low + rd.Uvarint()
	if rd.Failed() || low == 0 || first < low || first > numberMax {
		return wire.Malformed
	}
	count, ok := m.wellFormed(*rd)
	if !ok {
		return wire.Malformed // and nothing of it is taken
	}
	if why := r.follow(h.generation); why != wire.OK {
		return why
	}
	last := first + count - 1
	r.last = now
	// First what is settled: it may make the room that the messages need.
	r.settle(low, last)
	if r.full() && first > r.gaps.highest()+1 {
		// Not asked for at once: the answer would come under numbers that are higher still.
		m.overflow(now, p.id, Gaps, uint64(len(r.gaps.spans)))
		m.afterData(now, p, out)
		return wire.Stale
	}
	r.source.upto = max(r.source.upto, last)
	m.takeAll(now, p, first, rd, out)
	m.afterData(now, p, out)
	return wire.OK
}

// wellFormed counts the messages of a frame; ok is false if one of them breaks a limit.
func (m *Machine) wellFormed(rd wire.Reader) (count uint64, ok bool) {
	for ; rd.Len() > 0; count++ {
		if msg := readMessage(&rd); int(msg.slot) > m.heldMax() {
			return 0, false
		}
	}
	return count, !rd.Failed()
}

// takeAll applies the messages of a frame, numbered from first on, and notes which of
// them are settled.
func (m *Machine) takeAll(now time.Time, p *peer, first uint64, rd *wire.Reader, out *Output) {
	r := &p.receiver
	run := span{from: first, to: first - 1}
	n := first
	for ; rd.Len() > 0; n++ {
		msg := readMessage(rd)
		r.stats.Messages++
		r.unacked++
		if r.gaps.settled(n) {
			r.stats.Repeated++
		} else if !m.take(now, r, n, msg, out) {
			// It needs an announcement that is missing: as good as not received.
			if run.to >= run.from {
				r.gaps.add(run)
			}
			run = span{from: n + 1, to: n}
			continue
		}
		run.to = n
	}
	if run.to >= run.from {
		r.gaps.add(run)
	}
}

// settle takes every number below low as settled: what was not received of them has
// been replaced, under numbers up to last.
func (r *receiver) settle(low, last uint64) {
	if low-1 > r.gaps.upto && canary != EarlyWhole {
		r.replaced = max(r.replaced, last)
	}
	r.gaps.settle(low - 1)
}

// whole says whether the cache holds what the source had sent up to the last settled
// number: nothing beyond it was received, and of what was skipped below it all
// replacements were.
func (r *receiver) whole() bool { return len(r.gaps.spans) == 0 && r.gaps.upto >= r.replaced }

// afterData asks for what is missing, ends a resync, and confirms.
func (m *Machine) afterData(now time.Time, p *peer, out *Output) {
	r := &p.receiver
	m.finish(now, r, out)
	m.ask(now, p, out)
	switch {
	case r.unacked >= m.cfg.AckWindow:
		m.sendAck(p, out)
	case r.ackAt.IsZero():
		r.ackAt = now.Add(m.cfg.AckDelay)
	}
}

// ask asks for what is missing and was not asked for yet. The rest is the timer's: a
// Nack for every frame that finds a gap, of what is on its way already, would make a
// storm of a network that is merely slow.
func (m *Machine) ask(now time.Time, p *peer, out *Output) {
	r := &p.receiver
	switch {
	case !r.behind():
		r.nackAt, r.patient = time.Time{}, nackRetry
	case r.source.upto > r.nacked && !r.full():
		m.sendNack(now, p, r.nacked, out)
	case r.nackAt.IsZero():
		r.nackAt = now.Add(r.patient)
	}
}

// full says whether no further run of numbers can be remembered. What lies beyond the
// highest is then not asked for: it could not be taken.
func (r *receiver) full() bool { return len(r.gaps.spans) >= gapsMax }

// askAgain asks for all that is missing, and is more patient each time that nothing came.
func (m *Machine) askAgain(now time.Time, p *peer, out *Output) {
	r := &p.receiver
	if r.gaps.upto == r.stuck {
		r.patient = min(2*r.patient, nackRetryMost)
	} else {
		r.patient = nackRetry
	}
	r.stuck, r.nackAt = r.gaps.upto, time.Time{}
	m.sendNack(now, p, 0, out)
}

// behind says whether numbers are known to be missing.
func (r *receiver) behind() bool { return r.gaps.upto < r.source.upto }

// take applies one message. It reports false if the message needs an announcement that
// has not been received.
func (m *Machine) take(now time.Time, r *receiver, n uint64, msg message, out *Output) bool {
	if msg.op == opEnd {
		r.endAt = max(r.endAt, n)
		return true
	}
	if int(msg.slot) >= len(r.bindings) {
		if msg.op == opUpdate {
			return false
		}
		grown := make([]binding, max(int(msg.slot)+1, 2*len(r.bindings)))
		copy(grown, r.bindings)
		r.bindings = grown
	}
	b := &r.bindings[msg.slot]
	if n < b.number && canary != OldWins {
		return true // replaced by what came before it
	}
	switch msg.op {
	case opNew:
		m.announced(now, r, b, msg, out)
	case opUpdate:
		if b.local == 0 || msg.prefix > int(r.cache.at(b.local).state) {
			return b.full
		}
		r.digest -= r.cache.at(b.local).term
		r.cache.setTail(b.local, msg.prefix, msg.state)
		r.digest += r.cache.at(b.local).term
		out.deliver(r.peer, Change, r.cache.keyOf(b.local), r.cache.stateOf(b.local))
	case opDestroy:
		if b.local != 0 {
			r.discard(b.local, out)
		}
		b.full = false
	}
	b.number = n
	return true
}

// announced takes a New: the identity's former object, if any, is replaced (the
// seed, 6.1 b).
func (m *Machine) announced(now time.Time, r *receiver, b *binding, msg message, out *Output) {
	s := r.cache.find(msg.key)
	same := s != 0 && bytes.Equal(r.cache.stateOf(s), msg.state)
	if b.local != 0 && b.local != s {
		r.discard(b.local, out) // the slot stands for another object now
	}
	switch {
	case s != 0:
		if k := r.held1(s); k.round == r.round {
			r.digest -= r.cache.at(s).term
			r.count--
			if k.remote != msg.slot {
				r.bindings[k.remote].local = 0
			}
		}
		r.cache.setState(s, msg.state)
	case r.cache.live >= m.heldMax():
		b.full = true
		r.stats.Refused++
		m.overflow(now, r.peer, HeldObjects, uint64(r.cache.live))
		return
	default:
		s = r.cache.insert(msg.key, msg.state)
	}
	*r.held1(s) = held{remote: msg.slot, round: r.round}
	b.local, b.full = s, false
	r.digest += r.cache.at(s).term
	r.count++
	if !same { // a resync repeats what is known; that needs nobody's work
		out.deliver(r.peer, Put, msg.key, msg.state)
	}
}

// heldMax bounds an external cache, and the peer's slots: what the peer has destroyed
// may still be there when its successors come, and what it has is at most as much.
func (m *Machine) heldMax() int { return 2 * m.cfg.ObjectsMax }

// discard removes an object of the external cache.
func (r *receiver) discard(s slot, out *Output) {
	if k := r.held1(s); k.round == r.round {
		r.digest -= r.cache.at(s).term
		r.count--
		r.bindings[k.remote].local = 0
	}
	if canary != Silent {
		out.deliver(r.peer, Delete, r.cache.keyOf(s), nil)
	}
	r.cache.remove(s)
}

// finish ends a resync once everything up to its end marker is settled: what the
// source did not announce is gone.
func (m *Machine) finish(now time.Time, r *receiver, out *Output) {
	if r.complete || r.endAt == 0 || r.gaps.upto < max(r.endAt, r.replaced) {
		return
	}
	r.complete = true
	removed := r.sweep(out)
	m.record(now, trace.SyncReceived, r.peer, uint64(r.generation), r.count, uint64(removed))
	out.deliver(r.peer, Complete, nil, nil)
	r.unacked = m.cfg.AckWindow // say so at once
}

// sweep removes the objects of earlier rounds, unless a former life's are kept.
func (r *receiver) sweep(out *Output) int {
	if canary == NoSweep || uint64(r.cache.live) == r.count {
		return 0
	}
	least := uint32(0)
	if r.keep {
		least = r.born // what this life had and has not any more goes all the same
	}
	if r.keep && canary == OwnKept {
		return 0
	}
	removed := 0
	for s := slot(1); s <= r.cache.top; s++ {
		if round := r.held1(s).round; r.cache.taken(s) && round != r.round && round >= least {
			r.discard(s, out)
			removed++
		}
	}
	return removed
}

// Release gives up what a peer's former life replicated and its present one does not
// have; see [Config.KeepFormer].
func (m *Machine) Release(id view.ID, out *Output) {
	p := m.peer(id)
	if p == nil || !p.receiver.keep {
		return
	}
	p.receiver.keep = false
	if p.receiver.complete {
		p.receiver.sweep(out)
	}
}

// onMark learns how far the source's stream goes, and confirms at once.
func (m *Machine) onMark(now time.Time, p *peer, h head, rd *wire.Reader, out *Output) wire.Reason {
	r := &p.receiver
	low, pos := rd.Uvarint(), readPosition(rd)
	if !rd.Done() || low == 0 || pos.upto > numberMax || pos.upto+1 < low {
		return wire.Malformed
	}
	if why := r.follow(h.generation); why != wire.OK {
		return why
	}
	if pos.upto >= r.source.upto {
		r.source = pos
	}
	r.last = now
	r.settle(low, pos.upto)
	m.finish(now, r, out)
	if canary == Storm {
		r.nackAt = time.Time{}
		m.sendNack(now, p, 0, out)
	}
	m.ask(now, p, out)
	m.sendAck(p, out)
	return wire.OK
}

// sendAck confirms what is settled.
func (m *Machine) sendAck(p *peer, out *Output) {
	r := &p.receiver
	r.unacked, r.ackAt = 0, time.Time{}
	var flags byte
	if r.whole() {
		flags |= ackGapless
	}
	if r.complete {
		flags |= ackComplete
	}
	b := out.Begin(m.header())
	b = appendHead(b, kindAck, head{p.life, r.generation})
	b = append(b, flags)
	b = appendPosition(b, position{r.gaps.upto, r.digest, r.count})
	out.End(p.id, wire.AllLinks, b)
	r.stats.Acks++
}

// sendNack asks for what is missing above a number, and sees to it that all of it is
// asked for again. Later gaps do not put that off.
func (m *Machine) sendNack(now time.Time, p *peer, above uint64, out *Output) {
	r := &p.receiver
	if !r.behind() {
		r.nackAt = time.Time{}
		return
	}
	var ranges [nackRanges]span
	n := 0
	r.gaps.missing(func(s span) bool {
		if s.to > above {
			ranges[n] = span{max(s.from, above+1), s.to}
			n++
		}
		return n < nackRanges
	})
	if top := r.gaps.highest(); n < nackRanges && !r.full() && r.source.upto > top && r.source.upto > above {
		ranges[n] = span{max(top, above) + 1, r.source.upto}
		n++
	}
	if n == 0 {
		return // all of it was asked for; the retry is due
	}
	if r.nackAt.IsZero() {
		r.nackAt = now.Add(r.patient)
	}
	r.nacked = max(r.nacked, ranges[n-1].to)
	b := out.Begin(m.header())
	b = appendHead(b, kindNack, head{p.life, r.generation})
	b = appendSpans(b, ranges[:n])
	out.End(p.id, wire.AllLinks, b)
	r.stats.Nacks++
	m.record(now, trace.Nacked, p.id, ranges[0].from, ranges[n-1].to, 0)
}

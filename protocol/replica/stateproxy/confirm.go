package stateproxy

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// onAck takes a peer's confirmation: numbers it has settled and the digest of what it
// then holds of us.
func (m *Machine) onAck(now time.Time, p *peer, h head, r *wire.Reader, out *Output) wire.Reason {
	s := &p.sender
	flags, theirs := r.U8(), readPosition(r)
	if !r.Done() || theirs.upto >= s.next && h.generation == s.generation {
		return wire.Malformed
	}
	if h.generation != s.generation || !s.live {
		return wire.Stale
	}
	m.confirm(s, theirs.upto)
	if s.syncing && s.inflight.end == 0 && !s.endOwed && s.cursor == 0 && flags&ackComplete != 0 {
		s.syncing = false
		m.record(now, trace.SyncDone, p.id, uint64(s.generation), 0, 0)
	}
	if flags&ackGapless != 0 {
		m.compare(now, s, theirs)
	}
	m.settleProof(now, s)
	m.pump(now, s, out)
	return wire.OK
}

// confirm takes everything up to a number out of the resend queue.
func (m *Machine) confirm(s *sender, upto uint64) {
	if upto <= s.acked {
		return
	}
	s.acked = upto
	if s.inflight.end != 0 && s.inflight.end <= upto {
		s.inflight.end, s.endOwed = 0, false
	}
	for s.inflight.head != 0 {
		at := s.inflight.head
		if s.mark(at).number > upto {
			break
		}
		m.settled(s, at)
	}
	s.probe = probeAfter
	if !s.outstanding() {
		s.markAt = s.heard.Add(aliveEvery)
	}
}

// compare holds the peer's digest against what was sent up to the same number.
func (m *Machine) compare(now time.Time, s *sender, theirs position) {
	ours, at, ok := s.positionAt(now, theirs.upto)
	if canary == BlindProof {
		ours = theirs
	}
	s.theirs = theirs.digest
	switch {
	case !ok:
		return // too long ago to know
	case ours == theirs:
		s.provenUpto, s.provenAt = theirs.upto, at
	default:
		m.record(now, trace.Diverged, s.peer, theirs.upto, ours.digest, theirs.digest)
		s.stats.Divergences++
		s.proof.State, s.proof.At = Diverged, now
		if now.Before(s.repairAt) {
			return
		}
		s.repairDelay = min(max(2*s.repairDelay, repairFirst), repairMost)
		s.repairAt = now.Add(s.repairDelay)
		s.resync(now, m)
	}
}

// positionAt is what the stream was at a number, if that was the end of a frame that
// is still remembered. Older checkpoints are forgotten on the way.
func (s *sender) positionAt(now time.Time, upto uint64) (position, time.Time, bool) {
	for s.checkCount > 0 && s.checkpoints[s.checkFirst].upto < upto {
		s.checkFirst = (s.checkFirst + 1) % checkpointsMax
		s.checkCount--
	}
	if upto+1 == s.next {
		return s.position(), now, true
	}
	if s.checkCount > 0 && s.checkpoints[s.checkFirst].upto == upto {
		c := s.checkpoints[s.checkFirst]
		return c.position, c.at, true
	}
	return position{}, time.Time{}, false
}

// settleProof decides what is known of the peer after an acknowledgement, and tells
// of a change.
func (m *Machine) settleProof(now time.Time, s *sender) {
	if s.proof.State == Diverged && s.provenUpto+1 != s.next {
		return
	}
	next := Behind
	switch {
	case s.syncing:
		next = Syncing
	case s.provenUpto+1 == s.next && s.unconfirmed(&m.own) == 0:
		next = Proven
	}
	if next != s.proof.State {
		switch next {
		case Proven:
			m.record(now, trace.Proven, s.peer, s.provenUpto, s.sent.count, 0)
		case Behind:
			m.record(now, trace.Behind, s.peer, uint64(s.unconfirmed(&m.own)), 0, 0)
		}
	}
	s.proof.State, s.proof.At = next, now
	if next == Proven && s.repairDelay > 0 && now.After(s.repairAt) {
		s.repairDelay = 0
	}
}

// onNack marks what the peer misses to be told again, as it is now. What lies between
// two ranges has been received: without that every gap would hold up those after it for
// the way there and back.
func (m *Machine) onNack(now time.Time, p *peer, h head, r *wire.Reader, out *Output) wire.Reason {
	s := &p.sender
	var buffer [nackRanges]span
	missing, ok := readSpans(r, buffer[:0])
	if !ok {
		return wire.Malformed
	}
	if h.generation != s.generation || !s.live {
		return wire.Stale
	}
	if missing[len(missing)-1].to >= s.next {
		return wire.Malformed
	}
	s.stats.NacksReceived++
	at := s.inflight.head
	for i, gap := range missing {
		if e := s.inflight.end; e >= gap.from && e <= gap.to {
			s.endOwed = true
		}
		for at != 0 && s.mark(at).number <= gap.to {
			k, next := s.mark(at), s.mark(at).next
			switch {
			case k.number < gap.from && i > 0:
				m.settled(s, at)
			case k.number >= gap.from && k.flags&inResend == 0 && canary != DeafToNack:
				k.flags |= inResend
				s.resend.push(at)
			}
			at = next
		}
	}
	if s.resend.n == 0 && !s.endOwed || canary == Storm {
		// Nothing was missing any more; the new low number says so. With a resend a Mark
		// would only make the peer ask again for what is on the way.
		m.sendMark(now, s, out)
	}
	m.pump(now, s, out)
	return wire.OK
}

// settled takes a message that the peer has received out of the resend queue.
func (m *Machine) settled(s *sender, at slot) {
	s.dequeue(at)
	s.mark(at).flags &^= inResend
	m.release(at)
}

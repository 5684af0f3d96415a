package stateproxy

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// ProofState is what is known of a peer's copy of our internal cache.
type ProofState uint8

// The states, from the worst to the best.
const (
	Unknown  ProofState = iota // the peer was never heard of
	Away                       // the peer does not answer
	Diverged                   // the peer's digest differs from what it was sent
	Syncing                    // a full resync is under way
	Behind                     // the peer has not confirmed everything
	Proven                     // the peer confirmed all of it, and its digest is ours
)

var proofNames = [...]string{"unknown", "away", "diverged", "syncing", "behind", "proven"}

// String gives the state as the CLI and the metrics show it.
func (s ProofState) String() string { return proofNames[s] }

// Proof is what a peer has confirmed.
type Proof struct {
	State    ProofState
	At       time.Time     // when the peer last confirmed anything
	Objects  int           // objects it may not have as they are now
	Lag      time.Duration // age of the oldest change it has not confirmed
	Digest   uint64        // of our internal cache as sent
	Theirs   uint64        // what the peer last said of its copy, as it was then
	Count    uint64        // objects sent and not destroyed
	LastTime time.Time     // the peer had everything that was sent until then
}

// Proof says what is known of a peer's copy. Proven is never claimed longer than a
// few confirmations are late: what was true then need not be true now.
func (m *Machine) Proof(now time.Time, id view.ID) Proof {
	p := m.peer(id)
	if p == nil {
		return Proof{}
	}
	s := &p.sender
	proof := s.proof
	proof.Digest, proof.Count, proof.LastTime = s.sent.digest, s.sent.count, s.provenAt
	proof.Theirs = s.theirs
	if !s.live {
		proof.Objects = m.own.live
		return proof
	}
	proof.Objects = s.unconfirmed(&m.own)
	proof.Lag = s.lag(now)
	if proof.State == Proven && (proof.Objects > 0 || s.outstanding() || now.Sub(s.heard) > 3*aliveEvery) {
		proof.State = Behind
	}
	return proof
}

// lag is the age of the oldest change that is not confirmed.
func (s *sender) lag(now time.Time) time.Duration {
	var oldest time.Time
	if s.urgent.n > 0 {
		oldest = s.dirtySince
	}
	for i := range s.checkCount {
		if c := s.checkpoints[(s.checkFirst+i)%checkpointsMax]; c.upto > s.acked {
			oldest = earlier(oldest, c.at)
			break
		}
	}
	if oldest.IsZero() {
		return 0
	}
	return now.Sub(oldest)
}

// Sent counts what was told to one peer.
type Sent struct {
	Messages, Frames, Resent   uint64
	Resyncs, Divergences       uint64
	NacksReceived, Unconfirmed uint64
}

// Received counts what one peer told us.
type Received struct {
	Objects  int    // in the external cache
	Digest   uint64 // of those of the present generation
	Complete bool   // a full resync has ended; the cache is the peer's
	Behind   uint64 // messages known to be missing
	Last     time.Time

	Messages, Repeated, Refused uint64
	Acks, Nacks                 uint64
}

// Sent returns the counters of what was told to a peer.
func (m *Machine) Sent(id view.ID) Sent {
	p := m.peer(id)
	if p == nil {
		return Sent{}
	}
	s := p.sender.stats
	s.Unconfirmed = uint64(p.inflight.n)
	return s
}

// Received returns what is known of a peer's stream.
func (m *Machine) Received(id view.ID) Received {
	p := m.peer(id)
	if p == nil {
		return Received{}
	}
	r := &p.receiver
	s := r.stats
	s.Objects, s.Digest, s.Complete, s.Last = r.cache.live, r.digest, r.complete, r.last
	if r.behind() {
		s.Behind = r.source.upto - r.gaps.upto
	}
	return s
}

// Objects is the number of objects in the internal cache, and how many were refused
// because it was full or they were too long.
func (m *Machine) Objects() (count int, refused uint64) { return m.own.live, m.full }

// Drops counts the payloads dropped, by reason.
func (m *Machine) Drops() [wire.ReasonCount]uint64 { return m.drops }

// Complete says whether the external cache of a peer is that of the given life, a full
// resync having ended.
func (m *Machine) Complete(of view.Member) bool {
	p := m.peer(of.ID)
	return p != nil && p.life == of.Incarnation && p.receiver.complete
}

// Confirmed is the cheap part of Proof: the state, and until when the peer has
// everything that was sent.
func (m *Machine) Confirmed(now time.Time, id view.ID) (ProofState, time.Time) {
	p := m.peer(id)
	if p == nil || !p.live {
		return Unknown, time.Time{}
	}
	if p.proof.State == Proven && !p.outstanding() && p.urgent.n == 0 {
		return Proven, now
	}
	return p.proof.State, p.provenAt
}

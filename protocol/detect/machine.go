package detect

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Machine watches all peers of one member. See the package for what it promises. Its
// methods do not block, do not fail and are not safe for concurrent use.
type Machine struct {
	cfg   Config
	rng   *rand.Rand
	peers []peer
	index []uint8 // of a peer in peers, plus one, by its ID; zero: none

	started bool
	clock   clock
	resumed time.Duration // end of the last pause, in time run
	next    time.Duration // when heartbeats are due, in time run
	due     time.Duration // when Tick is due

	dropped [wire.ReasonCount]uint64
}

// New makes the machine of one member. rng shifts heartbeats a little, so that members do
// not fall into step; nil means exact intervals. The error names what is wrong with the
// configuration.
func New(cfg Config, rng *rand.Rand) (*Machine, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	m := &Machine{cfg: cfg, rng: rng, peers: make([]peer, len(cfg.Peers))}
	if n := len(cfg.Peers); n > 0 {
		m.index = make([]uint8, int(cfg.Peers[n-1])+1)
	}
	for i, id := range cfg.Peers {
		m.peers[i].id = id
		m.index[id] = uint8(i + 1)
	}
	return m, nil
}

// Start sends the first heartbeats. It is called once, before anything else; what is
// called earlier has no effect.
func (m *Machine) Start(now time.Time, out *Output) {
	if m.started {
		return
	}
	m.started, m.clock.last = true, now
	m.resumed = -m.cfg.Heartbeat
	m.beat(out)
	m.schedule()
}

// Heard takes note of a frame of whatever kind, one that the transport vouches for, from
// a life of a member over a link. It is called for every frame, and costs a few nanoseconds. A link of zero is one that is not known.
func (m *Machine) Heard(now time.Time, from view.Member, linkNumber uint8, out *Output) {
	if !m.started {
		return
	}
	m.enter(now)
	if p := m.judge(now, from, out); p != nil {
		m.hear(now, p, linkNumber, out)
	}
}

// Receive takes a heartbeat that came over a link: the payload of a frame whose channel is
// wire.Detect. from is who sent it, in which life, as the transport proved it. Anything
// that is not a heartbeat that counts is dropped, counted and traced.
func (m *Machine) Receive(now time.Time, from view.Member, linkNumber uint8, payload []byte, out *Output) {
	if !m.started {
		return
	}
	m.enter(now)
	said, ok := parse(payload, m.cfg.Links)
	switch {
	case !ok || linkNumber == 0 || int(linkNumber) > m.cfg.Links:
		m.drop(now, from.ID, wire.Malformed)
		return
	case said.heard != 0 && said.heard != m.cfg.Self.Incarnation:
		// Said to a former life of ours, or played back to us; see RFC 0009.
		m.drop(now, from.ID, wire.WrongDestination)
		return
	}
	p := m.judge(now, from, out)
	if p == nil {
		return
	}
	l := &p.links[linkNumber-1]
	if said.counter <= l.counter {
		m.drop(now, from.ID, wire.Stale)
		return
	}
	l.counter = said.counter
	if said.counter > p.newest {
		m.arrive(p, said)
	}
	m.hear(now, p, linkNumber, out)
}

// judge finds the peer that a frame is from. A later life begins here; a former one, and
// whoever is no peer, is dropped.
func (m *Machine) judge(now time.Time, from view.Member, out *Output) *peer {
	p := m.peer(from.ID)
	switch {
	case from.ID == m.cfg.Self.ID:
		m.drop(now, from.ID, wire.Twin)
		return nil
	case p == nil || from.Incarnation == 0:
		m.drop(now, view.Nobody, wire.UnknownSender)
		return nil
	case from.Incarnation < p.life && canary != OldLives:
		m.drop(now, from.ID, wire.OldIncarnation)
		return nil
	case from.Incarnation > p.life:
		m.born(now, p, from.Incarnation, out)
	}
	return p
}

// born begins a peer's new life. The former one has ended, whatever was thought of it.
func (m *Machine) born(now time.Time, p *peer, life view.Incarnation, out *Output) {
	if p.trusted() && canary != ForgetFormer {
		m.suspect(now, p, out)
	}
	// The owner's verdict was on the former life, unless it was given before any.
	verdict := p.condemned && p.life == 0
	*p = peer{
		id: p.id, life: life, condemned: verdict, counter: p.counter,
		flaps: p.flaps, flapped: p.flapped, last: m.clock.ran, unmet: true,
	}
	p.intervals.add(m.cfg.Heartbeat) // what is expected, until it is known better
	p.adapt(m.clock.ran, &m.cfg)
	if verdict {
		p.suspected, p.since = true, m.clock.ran
	} else {
		out.Changes = append(out.Changes, Change{Peer: p.member()})
	}
}

// arrive takes the content of a heartbeat that is newer than all before, on any link.
func (m *Machine) arrive(p *peer, said message) {
	at := m.clock.ran
	// An interval that began before our own pause ended says nothing about the peer, and
	// neither do those between heartbeats that waited for us together.
	if p.newest > 0 && p.beat > m.resumed+m.cfg.Heartbeat/2 {
		p.intervals.add(min(at-p.beat, patienceMax*m.cfg.SuspectAfter))
	}
	p.newest, p.beat, p.hears = said.counter, at, said.hears
	p.adapt(at, &m.cfg)
}

// hear marks a peer, and a link to it, as alive.
func (m *Machine) hear(now time.Time, p *peer, number uint8, out *Output) {
	p.last, p.graced = m.clock.ran, false
	if number > 0 && int(number) <= m.cfg.Links {
		l := &p.links[number-1]
		l.last = m.clock.ran
		if !l.heard {
			l.heard = true
			m.note(now, trace.LinkHeard, p.id, uint64(number), 0)
		}
	}
	if p.unmet {
		p.unmet = false
		m.greet(p, out)
	}
	if p.silent {
		p.silent = false
		p.flaps, p.flapped = min(p.recent(m.clock.ran)+1, flapMax), m.clock.ran
		if times := uint64(p.flaps + 0.5); times > 1 {
			m.note(now, trace.Flapping, p.id, times, 0)
		}
		p.adapt(m.clock.ran, &m.cfg)
		m.settle(now, p, out)
	}
}

// Suspect is the owner's own verdict on a peer's present life: it is suspected until the
// verdict is lifted, or until a later life is heard, whether it is silent or not. A verdict
// on a peer that was never heard holds for the first life that is.
func (m *Machine) Suspect(now time.Time, id view.ID, suspected bool, out *Output) {
	p := m.peer(id)
	if !m.started || p == nil {
		return
	}
	m.enter(now)
	p.condemned = suspected
	m.settle(now, p, out)
}

// Tick does what is due. It is to be called at Deadline; being called later is noticed
// (trace.Paused), being called earlier does no harm.
func (m *Machine) Tick(now time.Time, out *Output) {
	if !m.started {
		return
	}
	m.enter(now)
	for i := range m.peers {
		m.silence(now, &m.peers[i], out)
	}
	if m.clock.ran >= m.next {
		m.beat(out)
	}
	m.schedule()
}

// Deadline is when Tick is due next; zero: never, for the machine was not started.
func (m *Machine) Deadline() time.Time {
	if !m.started {
		return time.Time{}
	}
	return m.clock.when(m.due)
}

// enter begins a step: it moves the clock on.
func (m *Machine) enter(now time.Time) {
	if paused := m.clock.advance(now, m.due, m.cfg.SuspectAfter/pausePart); paused > 0 {
		m.resume(now, paused)
	}
}

// resume is for having been run too late. The pause itself is not in the time run; yet a
// peer that had little time left when it began may have used it, and its frames lie in our
// socket. It gets a little more, but once between two arrivals only: pauses however
// frequent do not keep a dead peer alive.
func (m *Machine) resume(now time.Time, paused time.Duration) {
	m.note(now, trace.Paused, view.Nobody, uint64(paused.Microseconds()), 0)
	m.resumed = m.clock.ran
	for i := range m.peers {
		if p := &m.peers[i]; p.life != 0 && !p.silent && !p.graced {
			p.graced = true
			p.last = max(p.last, m.clock.ran-p.patience+graceHeartbeats*m.cfg.Heartbeat)
		}
	}
}

// silence finds links and peers that were not heard for the peer's patience.
func (m *Machine) silence(now time.Time, p *peer, out *Output) {
	if p.life == 0 {
		return
	}
	for k := range p.links {
		if l := &p.links[k]; l.heard && m.clock.ran-l.last >= p.patience {
			l.heard = false
			m.note(now, trace.LinkSilent, p.id, uint64(k+1), 0)
			p.silent = p.silent || canary == OneLink
		}
	}
	if m.clock.ran-p.last >= p.patience && !m.cfg.Perfect && canary != NeverSuspect {
		p.silent = true
	}
	m.settle(now, p, out)
}

// settle puts out a change of opinion, if there is one.
func (m *Machine) settle(now time.Time, p *peer, out *Output) {
	switch is := p.silent || p.condemned; {
	case p.life == 0 || is == p.suspected:
	case is:
		m.suspect(now, p, out)
	default:
		p.suspected = false
		out.Changes = append(out.Changes, Change{Peer: p.member()})
		m.note(now, trace.Trusted, p.id, uint64((m.clock.ran - p.since).Microseconds()), 0)
	}
}

// suspect puts out that a peer's present life is taken for failed.
func (m *Machine) suspect(now time.Time, p *peer, out *Output) {
	p.suspected, p.since = true, m.clock.ran
	out.Changes = append(out.Changes, Change{Peer: p.member(), Suspected: true})
	if m.cfg.Recorder != nil {
		level := m.level(p, m.clock.ran)
		m.note(now, trace.Suspected, p.id, uint64(level*1000), uint64((m.clock.ran - p.last).Microseconds()))
	}
}

// beat sends a heartbeat to every peer on every link.
func (m *Machine) beat(out *Output) {
	for i := range m.peers {
		m.greet(&m.peers[i], out)
	}
	m.next = m.clock.ran + m.interval()
}

// greet sends a heartbeat to one peer on every link.
func (m *Machine) greet(p *peer, out *Output) {
	p.counter++
	said := message{counter: p.counter}
	said.hears, said.heard = p.echo()
	h := wire.Header{Channel: wire.Detect, Fingerprint: m.cfg.Fingerprint}
	for number := 1; number <= m.cfg.Links; number++ {
		out.End(p.id, uint8(number), said.append(out.Begin(h)))
	}
}

// schedule computes when Tick is due. Only Tick needs to: whatever a call between two
// Ticks adds is at least SuspectAfter away, and the next heartbeat is not; and what is
// due later than thought is found by a Tick that is too early.
func (m *Machine) schedule() {
	m.due = m.next
	for i := range m.peers {
		p := &m.peers[i]
		if p.life == 0 {
			continue
		}
		if !p.silent && !m.cfg.Perfect && canary != NeverSuspect {
			m.due = min(m.due, p.last+p.patience)
		}
		for k := range p.links {
			if l := &p.links[k]; l.heard {
				m.due = min(m.due, l.last+p.patience)
			}
		}
	}
}

// interval is the time to the next beat, up to a tenth shorter by chance.
func (m *Machine) interval() time.Duration {
	if m.rng == nil {
		return m.cfg.Heartbeat
	}
	return m.cfg.Heartbeat - time.Duration(m.rng.Int64N(int64(m.cfg.Heartbeat/10)+1))
}

func (m *Machine) peer(id view.ID) *peer {
	if int(id) >= len(m.index) || m.index[id] == 0 {
		return nil
	}
	return &m.peers[m.index[id]-1]
}

func (m *Machine) note(now time.Time, k trace.Kind, about view.ID, a, b uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: about, Kind: k, A: a, B: b})
	}
}

func (m *Machine) drop(now time.Time, about view.ID, why wire.Reason) {
	m.dropped[why]++
	m.note(now, trace.Dropped, about, uint64(why), uint64(wire.Detect))
}

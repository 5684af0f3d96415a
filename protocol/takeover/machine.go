package takeover

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Candidate is a member as the configuration names it.
type Candidate struct {
	ID       view.ID
	Priority uint8 // a larger number is preferred
}

// Config says who takes part and how fast. It must be the same on all members but
// for Self and Recorder; Fingerprint is how they notice that it is not.
type Config struct {
	Self    view.Member
	Members []Candidate // sorted by ID, Self among them; at most 16
	Links   int         // between any two members, numbered from 1; at most 8

	Heartbeat    time.Duration // between two heartbeats on one link; at least 1 ms
	SuspectAfter time.Duration // of silence on all links; at least 3 heartbeats

	// Preempt lets a healthy, synced member of higher priority ask for the addresses
	// of a living one.
	Preempt bool

	Fingerprint uint32         // goes into every frame
	Recorder    trace.Recorder // may be nil
}

// Recovered is what a member knows from its former lives.
type Recovered struct {
	Epoch view.Epoch // the highest it knew of (Status.Highest); zero if none
}

// Machine decides for one member. See the package for what it promises. Its methods
// do not block, do not fail and are not safe for concurrent use.
type Machine struct {
	cfg      Config
	rng      *rand.Rand
	priority uint8
	peers    []peer

	role   Role
	since  time.Time
	reason Reason

	epoch   view.Epoch // in which we act; zero if waiting or standby
	raised  view.Epoch // highest in which addresses were, or may have been, raised
	highest view.Epoch // highest known

	active      view.Member // the active that we hear, or ourselves
	vacancy     Reason      // why there is none
	vacantSince time.Time
	electAt     time.Time // when we promote ourselves if nobody else does; zero: not
	waitUntil   time.Time

	down           int
	unhealthySince time.Time
	synced         bool
	stableSince    time.Time // since when we are better placed than the active; zero: are not
	asking         bool

	committed  bool       // all state is in the kernel, in epoch
	authorised bool       // we may raise in epoch as soon as committed
	grantor    view.ID    // who hands over to us; nobody if we took over ourselves
	holding    bool       // Raise was asked and Lower was not
	renewing   bool       // active, and committing in a later epoch
	begun      view.Epoch // the last in which we asked for Commit
	lateSince  time.Time  // since when a later epoch than ours is known and nobody is in it
	lowering   view.Epoch // Lower was asked in this epoch and not confirmed; zero: no
	lowerBy    time.Time

	handover handover
	retryAt  time.Time

	announceAt time.Time // zero: never
	raisedAt   time.Time // or announced anew

	stopping        bool
	triedToHandOver bool
	goodbyes        int

	nextBeat     time.Time
	sequence     uint64
	burst        int
	waitedLonger bool
	urgent       bool // something changed that the peers should know at once
	changed      bool // something changed that the rules should look at again

	dropped [wire.ReasonCount]uint64
}

// New makes the machine of one member. rng shifts heartbeats a little; nil means
// exact intervals. The error names what is wrong with the configuration.
func New(cfg Config, from Recovered, rng *rand.Rand) (*Machine, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("takeover: %w", err)
	}
	m := &Machine{
		cfg: cfg, rng: rng, vacancy: Vacancy,
		raised: from.Epoch, highest: from.Epoch,
		peers: make([]peer, 0, len(cfg.Members)-1),
	}
	for _, c := range cfg.Members {
		if c.ID == cfg.Self.ID {
			m.priority = c.Priority
		} else {
			m.peers = append(m.peers, peer{id: c.ID})
		}
	}
	return m, nil
}

func (c *Config) validate() error {
	if !c.Self.Known() {
		return fmt.Errorf("self is %v; both its ID and its incarnation must be known", c.Self)
	}
	if len(c.Members) > membersMax {
		return fmt.Errorf("%d members; at most %d can take part", len(c.Members), membersMax)
	}
	there := false
	for i, member := range c.Members {
		if member.ID == view.Nobody || i > 0 && member.ID <= c.Members[i-1].ID {
			return fmt.Errorf("members must be sorted by ID, each once, none zero; number %d is %v", i+1, member.ID)
		}
		there = there || member.ID == c.Self.ID
	}
	switch {
	case !there:
		return fmt.Errorf("self is %v, who is not among the %d members", c.Self.ID, len(c.Members))
	case c.Links < 1 || c.Links > linksMax:
		return fmt.Errorf("%d links; there must be 1 to %d", c.Links, linksMax)
	case c.Heartbeat < heartbeatMin:
		return fmt.Errorf("heartbeat is %v; it must be at least %v", c.Heartbeat, heartbeatMin)
	case c.SuspectAfter < heartbeatsPerSuspicion*c.Heartbeat:
		return fmt.Errorf("suspect_after is %v and heartbeat is %v; it must be at least %d heartbeats, %v",
			c.SuspectAfter, c.Heartbeat, heartbeatsPerSuspicion, heartbeatsPerSuspicion*c.Heartbeat)
	}
	return nil
}

// Start begins to listen and to send heartbeats. It is called once, before anything
// but Health and Synced.
func (m *Machine) Start(now time.Time, out *Output) {
	if m.role != 0 {
		return
	}
	m.setRole(now, Waiting, None)
	m.waitUntil = now.Add(m.patience())
	if len(m.peers) == 0 {
		m.waitUntil = now
	}
	m.nextBeat = now.Add(m.interval())
	m.settle(now, out)
}

// Tick does what is due. It is to be called at Deadline; being called later is
// noticed (trace.Paused), being called earlier does no harm.
func (m *Machine) Tick(now time.Time, out *Output) {
	if !m.running() {
		return
	}
	if late := now.Sub(m.nextBeat); late > m.cfg.SuspectAfter/2 {
		m.paused(now, late)
	}
	m.silence(now)
	if !now.Before(m.nextBeat) {
		m.nextBeat, m.burst, m.urgent = now.Add(m.interval()), 0, true
	}
	m.settle(now, out)
	m.announce(now, out)
}

// Deadline is when Tick is due next; zero: never again.
func (m *Machine) Deadline() time.Time {
	if !m.running() {
		return time.Time{}
	}
	// Everything else that takes time is judged at heartbeats and needs no better.
	at := m.nextBeat
	for i := range m.peers {
		for k := range m.peers[i].links {
			if l := &m.peers[i].links[k]; l.heard {
				at = sooner(at, l.last.Add(m.cfg.SuspectAfter))
			}
		}
	}
	if m.role == Waiting {
		at = sooner(at, m.waitUntil)
	}
	if !m.electAt.IsZero() {
		at = sooner(at, m.electAt)
	}
	if !m.announceAt.IsZero() {
		at = sooner(at, m.announceAt)
	}
	return at
}

// Health says how many tracked interfaces are down.
func (m *Machine) Health(now time.Time, down int, out *Output) {
	before := m.down
	m.down = down
	switch {
	case down > before:
		m.note(now, trace.HealthFell, view.Nobody, uint64(down), 0)
	case down == 0 && before > 0:
		m.note(now, trace.HealthRose, view.Nobody, 0, 0)
	}
	if (down > 0) != (before > 0) {
		m.urgent, m.unhealthySince = true, now
	}
	m.settle(now, out)
}

// Synced says whether this node's copy of the active's state is complete: a full
// resync has ended and nothing has broken it since. The last word holds until the
// next; the machine never changes it by itself.
func (m *Machine) Synced(now time.Time, ok bool, out *Output) {
	if m.synced != ok {
		m.synced = ok
		m.settle(now, out)
	}
}

// Proven says whether a peer has confirmed all state of this node. The last word
// holds until the next.
func (m *Machine) Proven(now time.Time, id view.ID, ok bool, out *Output) {
	if p := m.peer(id); p != nil && p.proven != ok {
		p.proven = ok
		m.settle(now, out)
	}
}

// Stop makes the node leave: it hands over if it is active and somebody is ready,
// lowers the addresses, says goodbye. Go on calling Tick until Stopped.
func (m *Machine) Stop(now time.Time, out *Output) {
	if m.running() && !m.stopping {
		m.stopping, m.changed = true, true
		m.settle(now, out)
	}
}

// Stopped says whether a stop is complete: no address is held and goodbye was said.
func (m *Machine) Stopped() bool { return m.role == Stopped && m.goodbyes == 0 }

func (m *Machine) running() bool { return m.role != 0 && !m.Stopped() }

// settle applies the rules until nothing changes, and says at once what peers should know.
func (m *Machine) settle(now time.Time, out *Output) {
	if !m.running() {
		return
	}
	m.changed = m.role != Stopped
	for range settleMax {
		if !m.changed {
			break
		}
		m.changed = false
		m.contest(now, out)
		m.follow(now)
		m.succeed(now, out)
		m.drive(now, out)
		m.elect(now, out)
		m.leave(now, out)
	}
	m.ask(now)
	if m.urgent && m.burst < burstMax {
		m.urgent = false
		m.burst++
		m.beat(out)
	}
}

// beat sends one heartbeat on every link to every peer.
func (m *Machine) beat(out *Output) {
	if m.role == Stopped {
		if m.goodbyes == 0 {
			return
		}
		m.goodbyes--
	}
	h := wire.Header{Channel: wire.Takeover, Fingerprint: m.cfg.Fingerprint}
	said := m.statement()
	for i := range m.peers {
		p := &m.peers[i]
		said.hears, said.heard = p.echo()
		for number := 1; number <= m.cfg.Links; number++ {
			m.sequence++
			said.sequence = m.sequence
			out.End(p.id, uint8(number), said.append(out.Begin(h)))
		}
	}
}

// statement is what all peers are told.
func (m *Machine) statement() message {
	said := message{
		role: m.role, priority: m.priority, active: m.active.ID,
		epoch: m.Epoch(), raised: m.raised, highest: m.highest,
		successor: m.handover.to.ID, offered: m.handover.epoch,
	}
	for _, f := range [...]struct {
		set  bool
		flag uint8
	}{
		{m.down == 0, flagHealthy},
		{m.synced || said.claims(), flagSynced},
		{m.role == Promoting && m.committed, flagReady},
		{m.role == Stopped, flagGoodbye},
		{m.asking, flagAsks},
		{m.handover.granted, flagGranted},
	} {
		if f.set {
			said.flags |= f.flag
		}
	}
	return said
}

func (m *Machine) setRole(now time.Time, r Role, why Reason) {
	m.role, m.since, m.reason = r, now, why
	m.changed, m.urgent = true, true
}

// patience is how long to listen before believing that nobody is or becomes active.
func (m *Machine) patience() time.Duration {
	return m.cfg.SuspectAfter + patienceHeartbeats*m.cfg.Heartbeat
}

// interval is the time to the next beat, up to a tenth shorter by chance.
func (m *Machine) interval() time.Duration {
	if m.rng == nil {
		return m.cfg.Heartbeat
	}
	return m.cfg.Heartbeat - time.Duration(m.rng.Int64N(int64(m.cfg.Heartbeat/10)+1))
}

func (m *Machine) note(now time.Time, k trace.Kind, about view.ID, a, b uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: about, Kind: k, A: a, B: b})
	}
}

func (m *Machine) drop(now time.Time, about view.ID, why wire.Reason) {
	m.dropped[why]++
	m.note(now, trace.Dropped, about, uint64(why), uint64(wire.Takeover))
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

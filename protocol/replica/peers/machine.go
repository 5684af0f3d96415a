package peers

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Service is what peers replicate. Numbers that it gives, tokens, begin above the floor with which it was made, and it
// grants nothing before [session.Service] Passed has come to its first Next.
type Service interface {
	session.Service
	session.Notifier
	// Owns says whether a session holds something that nobody else may have.
	Owns(s session.ID) bool
	// Abandon takes a session out of all queues, and leaves it what it holds.
	Abandon(at time.Duration, s session.ID)
	// Raise sees to it that all numbers given from now on are greater than this one.
	Raise(number uint64)
}

// Config is what a member is told.
type Config struct {
	Self view.Member
	// Seats are all who may ever be members; their lives do not matter.
	Seats []view.Seat
	// Lease is for how long a session outlives its member's silence; the same at all members.
	Lease time.Duration
	// New makes a service that has nothing, with a floor. It grants nothing until its time has come to the end of the window, which
	// it is told when it may; before that its time stays below.
	New func(floor uint64, window time.Duration) Service
}

// seat is a session.
type seat struct {
	id     session.ID
	member view.Member
	gone   bool      // its member is out of the view, or was and has come back
	until  time.Time // by the own clock: when it may be ended. No part of the state
	told   bool      // Over is under way
}

// underway is a message of this member's that is not delivered yet.
type underway struct {
	serial uint64
	sent   time.Time
	call   uint64 // whose answer it brings; 0: nobody's
}

// asked is a call that waits for a session.
type asked struct {
	call uint64
	body []byte
}

// Machine is one member. See the package for what it does.
type Machine struct {
	cfg  Config
	born time.Time // when the machine was made

	// The state, alike at all members that have it.
	service Service // nil: this member has none
	floor   uint64
	lease   time.Duration
	opened  bool       // things are granted
	heard   uint64     // who has opened a session since the founding, by place in Config.Seats
	next    session.ID // the last one given
	seats   []seat     // by session
	index   uint64     // messages executed since the founding
	at      time.Duration

	// This member's own.
	view     *view.View
	restored bool      // the state is as of the view that comes next
	openAt   time.Time // when the founding's window ends
	opening  bool      // Opened is under way
	clock    replica.Clock

	own      session.ID // 0: none
	asking   bool       // Open is under way
	renewed  time.Time  // from when the session's lease counts
	until    time.Time  // the session is over for the others; until then this member may believe in it. Zero: it does not
	closing  bool
	shut     bool
	serial   uint64
	sent     time.Time // of the last message
	underway []underway
	waiting  []asked

	told *Output                          // of the step, for note
	tell func(to session.ID, body []byte) // note
}

// New makes a member that is in no view. The error says which setting is wrong.
func New(now time.Time, cfg Config) (*Machine, error) {
	own := slices.IndexFunc(cfg.Seats, func(s view.Seat) bool { return s.ID == cfg.Self.ID })
	switch {
	case !cfg.Self.Known():
		return nil, fmt.Errorf("peers: Self is %v: both ID and incarnation must be known", cfg.Self)
	case own < 0 || len(cfg.Seats) > view.SeatMax:
		return nil, fmt.Errorf("peers: of %d seats none is %v's, or there are more than %d", len(cfg.Seats), cfg.Self.ID, view.SeatMax)
	case cfg.Seats[own].Witness:
		return nil, fmt.Errorf("peers: %v is a witness, and a witness keeps no state: let it join the group by itself, with Stateful", cfg.Self.ID)
	case cfg.Lease < LeaseMin || cfg.Lease > LeaseMax:
		return nil, fmt.Errorf("peers: a lease of %v; it must be %v to %v", cfg.Lease, LeaseMin, LeaseMax)
	case cfg.New == nil:
		return nil, fmt.Errorf("peers: there is no service; give one in New")
	}
	m := &Machine{cfg: cfg, born: now}
	m.tell = m.note
	return m, nil
}

// Viewed tells of a view that this member is in; former are those who come from the one before together with it.
func (m *Machine) Viewed(now time.Time, v *view.View, former []view.Member, out *Output) {
	restored := m.restored
	m.restored, m.opening = false, false
	if !m.carries(v) {
		m.drop(now, out)
		m.view = v
		return
	}
	m.view = v
	for i := range m.seats {
		m.seats[i].told = false
	}
	switch {
	case m.service == nil && m.leads():
		m.send(now, 0, appendFound(m.begin(out, kindFound), m.fresh(now), m.cfg.Lease), out)
	case m.service == nil:
	case !restored:
		if canary != SameNumbers {
			m.service.Raise(uint64(v.Name.Epoch))
		}
		m.miss(now, former, out)
	}
	m.attend(now, out)
}

// carries says whether a view has so many votes that nobody goes on without one of its members: those
// that keep what is multicast meet each of its quorums, and each of a founding.
func (m *Machine) carries(v *view.View) bool {
	all, here := 0, 0
	for i := range m.cfg.Seats {
		all += int(m.cfg.Seats[i].Votes)
	}
	for i := range v.Seats {
		if !v.Seats[i].Witness {
			here += int(v.Seats[i].Votes)
		}
	}
	return here >= max(v.HoldQuorum(), (all+1)/2)
}

// leads says whether this member is the most senior that has the state.
func (m *Machine) leads() bool {
	for i := range m.view.Seats {
		if s := &m.view.Seats[i]; !s.Witness {
			return s.Member == m.cfg.Self
		}
	}
	return false
}

// fresh is a number greater than all that were given.
func (m *Machine) fresh(now time.Time) uint64 {
	if canary == SameNumbers {
		return 1
	}
	gone := max(0, now.Sub(m.born))
	return max(uint64(m.view.Name.Epoch), uint64(m.cfg.Self.Incarnation)+uint64(gone), m.floor+1)
}

// miss notes whose members have not come along from the view before.
func (m *Machine) miss(now time.Time, former []view.Member, out *Output) {
	for i := 0; i < len(m.seats); i++ {
		s := &m.seats[i]
		if s.gone || slices.Contains(former, s.member) {
			continue
		}
		s.gone, s.until = true, now.Add(m.lease)
		if canary == NoWindow {
			s.until = now
		}
		m.service.Abandon(m.at, s.id)
		if !m.service.Owns(s.id) {
			m.end(s.id)
			i--
		}
	}
	m.notify(out)
}

// Out tells that this member is in no view any more, or is about to be given another's state.
func (m *Machine) Out(now time.Time, out *Output) {
	m.view = nil
	m.drop(now, out)
}

// drop gives the state up. What was under way fails: it may have been executed.
func (m *Machine) drop(now time.Time, out *Output) {
	for _, u := range m.underway {
		if u.call != 0 {
			out.Results = append(out.Results, Result{Call: u.call, Cause: Ended})
		}
	}
	if m.own != 0 {
		m.until = now
		if m.service.Owns(m.own) && !m.closing {
			m.until = m.renewed.Add(m.lease)
		}
		m.own = 0
	}
	m.underway, m.asking, m.restored, m.opening = m.underway[:0], false, false, false
	m.service, m.seats, m.opened, m.heard = nil, m.seats[:0], false, 0
	m.believe(now, out)
}

// believe ends the former session when nothing of it can be believed any more.
func (m *Machine) believe(now time.Time, out *Output) {
	if m.until.IsZero() || now.Before(m.until) {
		return
	}
	m.until = time.Time{}
	out.Events = append(out.Events, SessionEnded)
	m.attend(now, out)
}

// attend opens a session, if this member can have one and has none.
func (m *Machine) attend(now time.Time, out *Output) {
	switch {
	case m.own != 0 || !m.until.IsZero() && canary != OpensEarly:
	case m.closing:
		m.finish(out)
	case m.service == nil || m.asking:
	case m.lease != m.cfg.Lease:
		for _, a := range m.waiting {
			out.Results = append(out.Results, Result{Call: a.call, Cause: OtherLease, Lease: m.lease})
		}
		m.waiting = nil
	default:
		m.asking = true
		m.send(now, 0, appendOpen(m.begin(out, kindOpen), m.floor), out)
	}
}

// Submit takes a call for the service. Its result comes later, when it was executed, or with a cause. The body
// is copied; call is not 0.
func (m *Machine) Submit(now time.Time, call uint64, body []byte, out *Output) {
	switch {
	case m.closing:
		out.Results = append(out.Results, Result{Call: call, Cause: Closed})
	case len(body) > BodyMax || len(m.waiting) >= waitingMax || len(m.underway) >= underwayMax:
		out.Results = append(out.Results, Result{Call: call, Cause: Busy})
	case m.own == 0 && m.service != nil && m.lease != m.cfg.Lease:
		out.Results = append(out.Results, Result{Call: call, Cause: OtherLease, Lease: m.lease})
	case m.own == 0:
		m.waiting = append(m.waiting, asked{call, slices.Clone(body)})
	default:
		m.ask(now, call, body, out)
	}
}

func (m *Machine) ask(now time.Time, call uint64, body []byte, out *Output) {
	if canary == AsksFirst {
		m.call(m.cfg.Self, &message{session: m.own, body: body}, call, out)
	}
	m.send(now, call, appendCall(m.begin(out, kindCall), m.own, m.clock.Agreed(now), body), out)
}

// Forget tells that nobody waits for a call any more. One that waits for a session is not made.
func (m *Machine) Forget(call uint64) {
	m.waiting = slices.DeleteFunc(m.waiting, func(a asked) bool { return a.call == call })
	for i := range m.underway {
		if m.underway[i].call == call {
			m.underway[i].call = 0
		}
	}
}

// Close ends the session: what it holds goes to who is next. Nothing is asked any more. The event
// Shut tells that the others have heard of it.
func (m *Machine) Close(now time.Time, out *Output) {
	if m.closing {
		return
	}
	m.closing = true
	for _, a := range m.waiting {
		out.Results = append(out.Results, Result{Call: a.call, Cause: Closed})
	}
	if m.waiting = nil; m.own != 0 {
		m.send(now, 0, appendID(m.begin(out, kindClose), m.own), out)
		return
	}
	m.until = time.Time{}
	m.finish(out)
}

// finish tells that all is over.
func (m *Machine) finish(out *Output) {
	if !m.shut {
		m.shut = true
		out.Events = append(out.Events, Shut)
	}
}

// send multicasts a message, whose answer a call may wait for. The owner sees to it that the group takes it, if need be
// later, unless this member is out of it.
func (m *Machine) send(now time.Time, call uint64, b []byte, out *Output) {
	m.sent = now
	m.underway = append(m.underway, underway{m.serial, now, call})
	out.send(b)
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *Output) {
	m.believe(now, out)
	if m.view == nil || m.service == nil {
		return
	}
	if m.leads() {
		if !m.opened && !m.opening && !now.Before(m.openAt) {
			m.opening = true
			m.send(now, 0, appendOpen(m.begin(out, kindOpened), m.floor), out)
		}
		for i := range m.seats {
			if s := &m.seats[i]; s.gone && !s.told && !now.Before(s.until) {
				s.told = true
				m.send(now, 0, appendID(m.begin(out, kindOver), s.id), out)
			}
		}
	}
	if d := m.renewAt(); !d.IsZero() && !now.Before(d) {
		m.send(now, 0, appendID(m.begin(out, kindRenew), m.own), out)
	}
}

// renewAt is when the session is to be renewed; zero: not at all.
func (m *Machine) renewAt() time.Time {
	if m.own == 0 || m.closing || len(m.underway) >= renewPart || !m.service.Owns(m.own) {
		return time.Time{}
	}
	return m.sent.Add(m.lease / renewPart)
}

// Deadline is when Tick has something to do; zero: never.
func (m *Machine) Deadline() time.Time {
	d := m.until
	sooner := func(t time.Time) {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	if m.view == nil || m.service == nil {
		return d
	}
	if m.leads() {
		if !m.opened && !m.opening {
			sooner(m.openAt)
		}
		for i := range m.seats {
			if s := &m.seats[i]; s.gone && !s.told {
				sooner(s.until)
			}
		}
	}
	sooner(m.renewAt())
	return d
}

// Service is the replica; nil: this member has none.
func (m *Machine) Service() Service { return m.service }

// Index counts what was executed since the founding whose number is Floor.
func (m *Machine) Index() uint64 { return m.index }

// Floor is the number of the founding; of what was given before all is less.
func (m *Machine) Floor() uint64 { return m.floor }

// Opened says whether things are granted: the window of the founding is over.
func (m *Machine) Opened() bool { return m.service != nil && m.opened }

// Session is this member's; 0: it has none.
func (m *Machine) Session() session.ID { return m.own }

// Member says whose a session is, and whether that member is gone; false if there is no such session.
func (m *Machine) Member(id session.ID) (who view.Member, gone, is bool) {
	if i := m.find(id); i >= 0 {
		return m.seats[i].member, m.seats[i].gone, true
	}
	return view.Member{}, false, false
}

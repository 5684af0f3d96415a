package call

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// loose marks the numbers of what is not remembered: the table of sessions does not look at them.
const loose = 1 << 63

// Machine is a client. Its methods do not block, do not fail and are not safe for
// concurrent use. See the package for what it promises.
type Machine struct {
	cfg  Config
	rng  *rand.Rand
	last time.Time // now of the last call

	state   State
	session session.ID
	nonce   uint64
	from    time.Time // the lease counts from here
	beats   [beatsMax]beat
	beat    int
	keeper  entry // opens, renews and closes the session

	agenda   agenda
	byNumber map[uint64]*entry
	queue    []*entry // not sent yet, the oldest first
	ids      uint64   // given to calls
	numbers  uint64   // given to remembered calls of this session
	others   uint64   // given to all else
	acked    uint64
	done     [session.Window]bool // by number: resolved, and a lower one is not
	bytes    int                  // of open calls
	free     []*entry
	scratch  []*entry

	at   int    // which server is believed right
	down uint64 // which cannot be reached, a bit each

	dropped [wire.ReasonCount]uint64
}

// New makes a client without a session. rng spreads its repeats and draws its nonces. The error names what is
// wrong with the configuration.
func New(cfg Config, rng *rand.Rand) (*Machine, error) {
	if rng == nil {
		return nil, errors.New("call: rng is nil; nonces must be drawn from something")
	}
	if len(cfg.Servers) == 0 || len(cfg.Servers) > serversMax {
		return nil, fmt.Errorf("call: %d servers; 1 to %d are allowed", len(cfg.Servers), serversMax)
	}
	for i, id := range cfg.Servers {
		if id == view.Nobody || id == view.Everyone {
			return nil, fmt.Errorf("call: server %d is %v; name a member", i+1, id)
		}
		for _, other := range cfg.Servers[:i] {
			if id == other {
				return nil, fmt.Errorf("call: server %v is named twice; name it once", id)
			}
		}
	}
	if cfg.Lease != 0 && (cfg.Lease < session.LeaseMin || cfg.Lease > session.LeaseMax) {
		return nil, fmt.Errorf("call: the lease is %v; %v to %v are allowed, or 0 for no session", cfg.Lease, session.LeaseMin, session.LeaseMax)
	}
	if cfg.Margin == 0 {
		cfg.Margin = cfg.Lease / marginPart
	}
	if cfg.Margin < 0 || cfg.Margin > 0 && cfg.Margin >= cfg.Lease/2 {
		return nil, fmt.Errorf("call: the margin is %v; it must be less than half of the lease, %v", cfg.Margin, cfg.Lease)
	}
	if len(cfg.Label) > session.LabelMax || !utf8.ValidString(cfg.Label) {
		return nil, fmt.Errorf("call: the label %q is longer than %d bytes or not UTF-8", cfg.Label, session.LabelMax)
	}
	if cfg.RetryMin < 0 || cfg.RetryMax < 0 || cfg.Hedge < 0 || cfg.Patience < 0 {
		return nil, errors.New("call: RetryMin, RetryMax, Hedge and Patience must not be below zero")
	}
	if cfg.RetryMin == 0 {
		cfg.RetryMin = retryStart
	}
	if cfg.RetryMax == 0 {
		cfg.RetryMax = max(retryCap, cfg.RetryMin)
	}
	if cfg.RetryMin < retryLeast {
		return nil, fmt.Errorf("call: RetryMin is %v; at least %v is allowed", cfg.RetryMin, retryLeast)
	}
	if cfg.RetryMax < cfg.RetryMin {
		return nil, fmt.Errorf("call: RetryMax %v is less than RetryMin %v", cfg.RetryMax, cfg.RetryMin)
	}
	if cfg.Patience == 0 {
		cfg.Patience = patience
	}
	cfg.Servers = append([]view.ID(nil), cfg.Servers...)
	m := &Machine{cfg: cfg, rng: rng, byNumber: map[uint64]*entry{}}
	m.keeper.place = -1
	if cfg.Lease == 0 {
		m.state = Opened
		m.nonce = m.draw()
	}
	return m, nil
}

// draw draws a nonce.
func (m *Machine) draw() uint64 { return max(1, m.rng.Uint64()) }

// State is how the session is.
func (m *Machine) State() State { return m.state }

// Session is the session's ID and nonce; 0 if there is none.
func (m *Machine) Session() (session.ID, uint64) {
	if m.state != Opened {
		return 0, 0
	}
	return m.session, m.nonce
}

// Server is who is believed to serve; Nobody: none can be reached.
func (m *Machine) Server() view.ID { return m.server() }

// Calls is how many calls are open.
func (m *Machine) Calls() int { return len(m.agenda) - m.kept() }

// kept is 1 if the keeper is in the agenda.
func (m *Machine) kept() int {
	if m.keeper.place >= 0 {
		return 1
	}
	return 0
}

// Dropped is how many replies were dropped for a reason.
func (m *Machine) Dropped(why wire.Reason) uint64 {
	if int(why) < len(m.dropped) {
		return m.dropped[why]
	}
	return 0
}

// Deadline is when Tick is due next; zero: never.
func (m *Machine) Deadline() time.Time {
	next := m.leaseEnd()
	if len(m.agenda) > 0 {
		next = earlier(next, m.agenda[0].due())
	}
	return next
}

// Tick does what is due. It is to be called at Deadline; any other time does no harm.
func (m *Machine) Tick(now time.Time, out *Output) {
	m.enter(now, out)
	for len(m.agenda) > 0 {
		e := m.agenda[0]
		if due := e.due(); due.IsZero() || due.After(m.last) {
			break
		}
		m.do(e, out)
	}
	m.pump(out)
}

// enter begins a step. A lease that has ended ends everything before anything else.
func (m *Machine) enter(now time.Time, out *Output) {
	if now.After(m.last) {
		m.last = now
	}
	if end := m.leaseEnd(); !end.IsZero() && !m.last.Before(end) {
		m.end(SessionEnded, false, out)
	}
}

// reached says whether a time is set and has come.
func (m *Machine) reached(t time.Time) bool { return !t.IsZero() && !t.After(m.last) }

// do does the first thing that is due of an entry.
func (m *Machine) do(e *entry, out *Output) {
	switch {
	case m.reached(e.deadline):
		m.expire(e, out)
	case m.reached(e.hedge):
		e.hedge = time.Time{}
		if second := m.after(m.find(e.to)); second != e.to && second != view.Nobody {
			m.post(e, second, out)
		}
		m.agenda.fix(e)
	case e == &m.keeper && e.verb == session.Renew && m.from.Add(m.cfg.Lease/renewPart).After(m.last):
		m.rest() // some call has renewed it
	default:
		if e.to == m.server() && e.sent() {
			m.advance()
		}
		e.rounds++
		e.hops = 0
		m.ask(e, m.server(), out)
	}
}

// expire ends a call at its deadline.
func (m *Machine) expire(e *entry, out *Output) {
	why := NoAnswer
	if !e.sent() || canary == Believing && e.refused {
		why = CannotLocate
		if put := m.keeper.put; m.state == Opening && (put == session.Full || put == session.Crowded) {
			why, e.put = Unadmitted, put
		}
		m.finish(e, Result{Outcome: NotExecuted, Cause: why}, out)
		return
	}
	if e.put == session.Halted {
		why = Stopped
	}
	m.finish(e, Result{Outcome: Unknown, Cause: why, Server: e.to}, out)
}

func (m *Machine) drop(from view.ID, why wire.Reason) {
	m.dropped[why]++
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: m.last, Peer: from, Kind: trace.Dropped, A: uint64(why)})
	}
}

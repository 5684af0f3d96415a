package group

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// State is where a member stands.
type State uint8

// The states.
const (
	Idle    State = iota // it wants nothing
	Asking               // it is in no view and asks to be let in
	In                   // it is in a view
	Leaving              // it is in a view and asks to be let out
)

// Verb is what the machine asks of its stack.
type Verb uint8

// The verbs, to be carried out in order.
const (
	// Freeze: send and take nothing new in the view's streams; answer with Frozen.
	Freeze Verb = 1 + iota
	// Fill: fetch Pieces; answer with Filled when all are here.
	Fill
	// Install: deliver what Cut has of the old view (if there is one), then begin View.
	Install
	// Dismiss: deliver what Cut has of the old view, if Whole; then there is no view.
	Dismiss
	// Block: the group does not go on; Missing would have the votes.
	Block
	// Unblock: it does.
	Unblock
	// Pledge: put the promise to take nothing of an era before Era on the disk; answer with
	// Pledged when it is there.
	Pledge
	// Refuse: Peer does not let this member in, since its terms are Text.
	Refuse
)

// Reason says why a member is dismissed.
type Reason uint8

// The reasons.
const (
	WasExpelled Reason = 1 + iota // the others go on without it
	HasLeft                       // it wanted to
	GaveWay                       // its component joins a greater one
)

// Command is one thing that the machine asks of its stack.
type Command struct {
	Verb    Verb
	Pieces  []view.Piece
	View    *view.View
	Cut     view.Cut
	Whole   bool
	Former  []view.Member // Install: who comes from the same view as this member, itself included; empty if it comes from none
	Reason  Reason
	Missing []view.Member
	Peer    view.ID
	Text    string
	Era     view.Epoch // Install, Pledge: of a durable group
}

// Output is what a step puts out.
type Output struct {
	wire.Outbox
	Do []Command
}

// peer is what is known of one candidate.
type peer struct {
	seat    view.Seat   // as configured
	life    view.Member // the latest that was heard of; unknown until then
	trusted bool        // this life is not suspected

	pulse   pulse // the last of this life
	pulsed  time.Time
	heard   bool      // pulse is there
	terms   string    // that it has told last and are not ours
	accuses uint32    // whom it does not trust, by candidate
	since   time.Time // since when it accuses the same

	outside   view.Name // the latest view that it knew of when it said that it is not in ours
	outsideAt time.Time // when that was
	apart     bool      // it has gone another way than the present view
	shunned   time.Time // until when: it lives and did not do its part in a view change
}

// Machine is a member's part in the membership of one group.
type Machine struct {
	cfg    Config
	rng    *rand.Rand
	self   int // index of this member in peers
	peers  []peer
	others []view.ID

	state    State
	void     view.View  // what the founding ends
	current  *view.View // nil when in none
	floor    view.Name  // the latest view that this member was in or knows to be without it
	ended    view.Epoch // the group is known to have ended with a view of this epoch
	asked    time.Time
	lastWay  *Outcome // the latest that is known: for those who missed it
	pulseAt  time.Time
	hurry    bool // a pulse is due at once
	resting  bool // outside: it does not ask to be let in
	serial   uint64
	retryAt  time.Time
	began    time.Time // of the present view change, if frozen
	staged   time.Time // when the stage, or the promise, began
	frozen   bool
	blocked  bool
	lived    view.Name // outside: the last view that left this member with a state that may be used
	donor    view.ID   // who gives this member the state of the view, or Nobody
	promised Ballot
	accepted proposal
	change   change
	standing Standing   // outside of a durable group: what this member has
	stands   bool       // standing is told
	fence    view.Epoch // nothing of an era before this one is taken any more
	pledged  view.Epoch // the latest era that the owner was asked to promise
	pledging proposal   // whose promise is on its way to the disk
	era      view.Epoch // of the present view
	traced   time.Time  // when FlushWaited was traced last
}

// base is the view that the next outcome ends.
func (m *Machine) base() *view.View {
	if m.current != nil {
		return m.current
	}
	return &m.void
}

// Join asks to be let into the group, or to found it.
func (m *Machine) Join(now time.Time, out *Output) {
	if m.state != Idle {
		return
	}
	m.state, m.asked = Asking, now
	m.peers[m.self].trusted = true
	m.record(now, trace.Asked, view.Nobody, uint64(m.floor.Epoch), 0, 0)
	m.hurry = true
	m.settle(now, out)
}

// Leave asks to be let out. The answer is Dismiss; a member of no view gets it at once.
func (m *Machine) Leave(now time.Time, out *Output) {
	m.resting = false
	switch m.state {
	case Asking:
		m.dismiss(now, HasLeft, nil, false, out)
	case In:
		m.state, m.hurry = Leaving, true
		m.settle(now, out)
	}
}

// Suspect tells what the failure detector thinks of this life of a candidate.
func (m *Machine) Suspect(now time.Time, life view.Member, suspected bool, out *Output) {
	i := m.index(life.ID)
	if i < 0 || i == m.self {
		return
	}
	m.meet(i, life)
	if m.peers[i].life != life || m.peers[i].trusted == !suspected {
		return
	}
	m.peers[i].trusted = !suspected
	if m.state == Idle {
		return // a pulse would be taken for a goodbye, even by a view that has let this life in meanwhile
	}
	m.hurry = true
	if m.change.active && m.change.stage == Collecting && !suspected {
		m.retryAt = now
	}
	m.settle(now, out)
}

// meet notes a later life of a candidate.
func (m *Machine) meet(i int, life view.Member) {
	p := &m.peers[i]
	if life.Succeeds(p.life) || !p.life.Known() {
		*p = peer{seat: p.seat, life: life}
	}
}

// index is a candidate's place in peers, or -1.
func (m *Machine) index(id view.ID) int {
	for i := range m.peers {
		if m.peers[i].seat.ID == id {
			return i
		}
	}
	return -1
}

// Receive takes one frame's payload, without the group that the stack has read.
func (m *Machine) Receive(now time.Time, from view.Member, payload []byte, out *Output) {
	i := m.index(from.ID)
	if i < 0 || i == m.self {
		return
	}
	m.meet(i, from)
	if m.peers[i].life != from {
		m.drop(now, from.ID, wire.OldIncarnation)
		return
	}
	if m.state == Idle || m.rests() {
		Decline(m.cfg.Self, from.ID, m.cfg.Group, m.cfg.Fingerprint, m.Past(), payload, &out.Outbox)
		return
	}
	r := wire.NewReader(payload)
	if !m.dispatch(now, i, &r, out) {
		m.drop(now, from.ID, wire.Malformed)
		return
	}
	m.settle(now, out)
}

// dispatch reads a message whole before it acts on it.
func (m *Machine) dispatch(now time.Time, from int, r *wire.Reader, out *Output) bool {
	switch verb(r.U8()) {
	case verbPulse:
		return m.readPulse(now, from, r, out)
	case verbPrepare:
		of, b := readName(r), readBallot(r)
		if !r.Done() || b.By != m.peers[from].seat.ID {
			return false
		}
		m.onPrepare(now, from, of, b, out)
	case verbReport:
		return m.readReport(now, from, r, out)
	case verbFill:
		of, b := readName(r), readBallot(r)
		pieces := readPieces(r)
		if !r.Done() {
			return false
		}
		m.onFill(now, of, b, pieces, out)
	case verbFilled:
		of, b := readName(r), readBallot(r)
		if !r.Done() {
			return false
		}
		m.onFilled(now, from, of, b, out)
	case verbPropose:
		b, outcome := readBallot(r), readOutcome(r)
		if !r.Done() || !m.possible(outcome) || b.By != m.peers[from].seat.ID {
			return false
		}
		m.onPropose(now, from, b, outcome, out)
	case verbAccepted:
		of, b := readName(r), readBallot(r)
		if !r.Done() {
			return false
		}
		m.onAccepted(now, from, of, b, out)
	case verbCommit:
		outcome := readOutcome(r)
		if !r.Done() || !m.possible(outcome) {
			return false
		}
		m.onCommit(now, from, outcome, out)
	case verbReject:
		of, b := readName(r), readBallot(r)
		if !r.Done() {
			return false
		}
		m.onReject(now, of, b)
	case verbApart:
		return m.readApart(now, from, r)
	case verbRefuse:
		text := r.Block(termsMax)
		if !r.Done() {
			return false
		}
		m.onRefuse(now, from, text, out)
	default:
		return false
	}
	return true
}

// possible says whether an outcome was read, and seats nobody but candidates.
func (m *Machine) possible(o *Outcome) bool {
	if o == nil {
		return false
	}
	for _, s := range o.Next.Seats {
		if m.index(s.ID) < 0 {
			return false
		}
	}
	return true
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time, out *Output) {
	if m.state != Idle {
		m.settle(now, out)
	}
}

// Deadline is when Tick has something to do.
func (m *Machine) Deadline() time.Time {
	if m.state == Idle {
		return time.Time{}
	}
	d := m.pulseAt
	if m.frozen && m.retryAt.Before(d) {
		d = m.retryAt
	}
	return d
}

// settle does what follows from what is known: it is the end of every step.
func (m *Machine) settle(now time.Time, out *Output) {
	m.lead(now, out)
	if m.frozen && !now.Before(m.retryAt) {
		m.retry(now, out)
	}
	if m.hurry || !now.Before(m.pulseAt) {
		m.sendPulse(now, out)
	}
}

// begin starts a frame.
func (m *Machine) begin(v verb, out *Output) []byte {
	return begin(m.cfg.Group, m.cfg.Fingerprint, v, &out.Outbox)
}

func begin(group, fingerprint uint32, v verb, out *wire.Outbox) []byte {
	b := out.Begin(wire.Header{Channel: wire.Group, Fingerprint: fingerprint})
	return append(binary.BigEndian.AppendUint32(b, group), byte(v))
}

// Decline answers, for a process that is in no view of a group, one that may count on it: who
// asked and then left may be let in by what was under way; a view change or a founding that
// wants for votes has to know who is certainly out; and who goes on in a view that this
// process has seen end is told. past is what it knows if it was in the group in this life,
// or asked to be.
func Decline(self view.Member, to view.ID, group, fingerprint uint32, past Past, payload []byte, out *wire.Outbox) {
	r := wire.NewReader(payload)
	var name view.Name
	counts := false
	switch verb(r.U8()) {
	case verbCommit:
		o := readOutcome(&r)
		if counts = o != nil && o.Next.Has(self) && r.Done(); counts {
			name = o.Next.Name
		}
	case verbPrepare:
		name = readName(&r)
		counts = !r.Failed()
	case verbPulse:
		r.Uvarint()
		state, frozen := State(r.U8()), r.U8()
		name = readName(&r)
		counts = !r.Failed() && state != Idle && (state == Asking || frozen == 1 || past.Serial > 0)
	}
	if !counts {
		return
	}
	if past.Last != nil && past.Last.ends(name, past.All) {
		out.End(to, wire.AllLinks, appendOutcome(begin(group, fingerprint, verbCommit, out), past.Last))
	}
	out.End(to, wire.AllLinks, appendApart(begin(group, fingerprint, verbApart, out), name, past.Floor, false))
}

func (m *Machine) end(to int, b []byte, out *Output) {
	out.End(m.peers[to].seat.ID, wire.AllLinks, b)
}

func (m *Machine) record(now time.Time, k trace.Kind, peer view.ID, a, b, c uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: peer, Kind: k, A: a, B: b, C: c})
	}
}

func (m *Machine) drop(now time.Time, from view.ID, r wire.Reason) {
	m.record(now, trace.Dropped, from, uint64(r), uint64(wire.Group), 0)
}

// Await says who gives this member the state as of the view's beginning; Nobody: it has it.
// If the donor does not stay in the next view, this member comes into it anew, to be given
// a later state by another.
func (m *Machine) Await(donor view.ID) {
	m.donor = donor
	if donor != view.Nobody {
		m.lived = view.Name{} // what it had is void from here on
	}
}

// Rest takes this member out of its view, if it is in one, and keeps it outside until Rest is
// called with false: it cannot take what the view would bring.
func (m *Machine) Rest(now time.Time, on bool, out *Output) {
	if m.state == Idle || m.state == Leaving || m.resting == on {
		return
	}
	m.resting = on
	if on && m.current != nil {
		m.dismiss(now, WasExpelled, nil, false, out)
	}
	m.asked, m.hurry = now, true
	m.settle(now, out)
}

func (m *Machine) rests() bool { return m.resting && m.current == nil }

// Restart takes this member out of its view, if it is in one, and asks to be let in again: it could not get
// what it needs to be of use there. If void, it has no state, or none that is to be used: then no
// founding begins with what it has because it was in the latest view.
func (m *Machine) Restart(now time.Time, void bool, out *Output) {
	in := m.current != nil && m.state == In
	if in {
		m.dismiss(now, WasExpelled, nil, false, out)
	}
	if void {
		m.lived = view.Name{}
	}
	if in {
		m.settle(now, out)
	}
}

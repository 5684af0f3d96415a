package order

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Config is what a machine needs to know. All members of a group must have the same Engine.
type Config struct {
	Self     view.Member
	Engine   Engine
	Recorder trace.Recorder // may be nil
}

// Delivery is one message for the application. From is the sender's life and Rank its
// rank in the view; Number is what the sender gave to Encode. Payload and then the parts
// of More are what it multicast; they alias the record that it came in.
type Delivery struct {
	Rank    int
	From    view.Member
	Number  uint64
	Order   Order
	Payload []byte
	More    [][]byte
}

// Output is what a step puts out. The control records must be in the own stream before the next
// Step; whether they or the deliveries are carried out first makes no difference.
type Output struct {
	Submit  [][]byte // control records for the own stream, valid until Reset
	Urgent  bool     // they fix the place of uniform messages: receivers should acknowledge at once
	Deliver []Delivery

	buf []byte
}

// Reset makes an output empty and keeps its buffers.
func (o *Output) Reset() {
	o.Submit, o.Urgent, o.buf = o.Submit[:0], false, o.buf[:0]
	clear(o.Deliver)
	o.Deliver = o.Deliver[:0]
}

// submit takes what was appended to buf since from as a control record.
func (o *Output) submit(from int) {
	o.Submit = append(o.Submit, o.buf[from:len(o.buf):len(o.buf)])
}

// Machine puts the messages of one member's views in order. See the package for what it
// promises. Its methods do not block, do not fail and are not safe for concurrent use.
type Machine struct {
	cfg    Config
	engine engine
	now    time.Time

	view    *view.View // nil: none yet
	self    int        // own rank, or -1
	seats   uint64     // ranks that have a stream: a bit each
	members int        // how many these are
	streams []stream   // by rank

	ready  uint64   // streams whose held messages may have become deliverable
	caused uint64   // ranks of which causal messages were delivered since Encode told so
	said   []uint64 // by rank, how many causal messages the last causal Encode told of

	stalled bool // make no control records
	closed  bool // the view's messages are all delivered, or being so: agreement is no matter

	span    int    // see moveSpan; tests take a shorter one
	scratch []byte // a control record that came in parts
	dropped [wire.ReasonCount]uint64
}

// New checks the configuration. The machine takes nothing before Install. It needs no
// chance; the argument is there because every machine has it.
func New(cfg Config, _ *rand.Rand) (*Machine, error) {
	if !cfg.Self.Known() {
		return nil, errors.New("order: Self has no ID or no incarnation; give both")
	}
	m := &Machine{cfg: cfg, self: -1, closed: true, span: moveSpan}
	switch cfg.Engine {
	case Sequencer:
		m.engine = &sequencer{m: m}
	case Lamport:
		m.engine = &lamport{m: m}
	case ISIS:
		m.engine = &isis{m: m}
	default:
		return nil, fmt.Errorf("order: engine %d is unknown; use Sequencer, Lamport or ISIS", cfg.Engine)
	}
	return m, nil
}

// Install begins a view: nothing of a former one is left. v must not have more than
// view.SeatMax seats. A member that has no seat, or is a witness, orders nothing.
func (m *Machine) Install(now time.Time, v *view.View) {
	if len(v.Seats) > view.SeatMax {
		panic("order: a view with more than view.SeatMax seats")
	}
	m.now, m.view, m.closed = now, v, false
	m.ready, m.caused, m.seats, m.members, m.self = 0, 0, 0, 0, -1
	n := len(v.Seats)
	for len(m.streams) < n {
		m.streams = append(m.streams, stream{})
	}
	for i := range m.streams {
		m.streams[i].reset(n)
	}
	m.said = renew(m.said, n)
	for rank, seat := range v.Seats {
		if seat.Witness {
			continue
		}
		m.seats |= 1 << rank
		m.members++
		if seat.Member == m.cfg.Self {
			m.self = rank
		}
	}
	m.closed = m.self < 0
	m.engine.install(n)
}

// renew gives n zeros, in the same memory if there is enough.
func renew(s []uint64, n int) []uint64 {
	if cap(s) < n {
		return make([]uint64, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// Stall makes Step put out no control records until it is called with false: for when
// the own stream is frozen, or has no room for ControlMax bytes. What they would say is said later, in fewer.
func (m *Machine) Stall(on bool) { m.stalled = on }

// Receive takes a record of a stream of the present view: the own stream's too, as soon as it
// is submitted. Records of a stream come in its order, but for those marked early: these lie beyond
// a gap, and come only once. first and last are the packets that the record lies in; it is
// record and then the parts of more. Messages without any order are delivered at once,
// everything else by Step.
func (m *Machine) Receive(now time.Time, rank int, first, last uint64, early bool, record []byte, more [][]byte, out *Output) {
	m.now = now
	if m.closed || !m.has(rank) {
		m.drop(view.Nobody, wire.OtherView)
		return
	}
	s := &m.streams[rank]
	s.seen(first, last, early)
	if len(more) > 0 {
		record, more = m.readable(record, more)
	}
	r := wire.NewReader(record)
	head := r.U8()
	if kind := kind(head >> 4); kind != message {
		if early || head&0x0f != 0 || r.Failed() || !m.engine.control(rank, first, last, kind, r) {
			m.drop(m.view.Seats[rank].ID, wire.Malformed)
		}
		return
	}
	e, stamp, ok := m.parse(rank, record)
	if canary == Premature {
		e.order &^= Total
	}
	if !ok || early && e.order&(FIFO|Total) != 0 || e.order&Total != 0 && !m.engine.message(rank, stamp, e.order) {
		m.drop(m.view.Seats[rank].ID, wire.Malformed)
		return
	}
	e.more, e.first, e.last = more, first, last
	switch {
	case e.order&(FIFO|Total|Uniform) == 0:
		m.deliver(rank, &e, out)
		return
	case canary == Hasty && e.order&(Total|Uniform|causal) == 0:
		m.deliver(rank, &e, out)
		return
	}
	s.hold(&e, early)
	m.ready |= 1 << rank
}

func (m *Machine) has(rank int) bool {
	return rank >= 0 && rank < view.SeatMax && m.seats&(1<<rank) != 0
}

// Agreed says that members with votes enough for view.View.HoldQuorum (or all, if that is
// how the group is configured) hold the stream up to and including this packet.
func (m *Machine) Agreed(rank int, packet uint64) {
	if m.closed || !m.has(rank) || packet <= m.streams[rank].agreed {
		return
	}
	s := &m.streams[rank]
	s.agree(packet)
	m.engine.agreed(rank)
	m.ready |= s.waiting | 1<<rank
	s.waiting = 0
}

// Step ends a step: it delivers all that can be delivered and makes the control records that are
// due. These are to be submitted and received at once, and then Step is to be called
// again, for they may fix the place of messages that are here. One that the stream has refused is made anew by the
// next Step; all of a step together are not longer than ControlMax.
func (m *Machine) Step(now time.Time, out *Output) {
	m.now = now
	if m.closed {
		return
	}
	m.drain(out)
	if !m.stalled {
		m.engine.step(out)
	}
}

func (m *Machine) drop(from view.ID, why wire.Reason) {
	m.dropped[why]++
	if m.cfg.Recorder != nil {
		m.trace(from, trace.Dropped, uint64(why), uint64(wire.Cast))
	}
}

// Dropped counts the records that were dropped for a reason.
func (m *Machine) Dropped(why wire.Reason) uint64 { return m.dropped[why] }

func (m *Machine) trace(peer view.ID, kind trace.Kind, a, b uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: m.now, Node: m.cfg.Self.ID, Peer: peer, Kind: kind, A: a, B: b})
	}
}

package transfer

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Config says whose state is transferred.
type Config struct {
	Self        view.Member
	Group       uint32         // frames of other groups are dropped
	Fingerprint uint32         // goes into every frame
	Recorder    trace.Recorder // may be nil
}

// Ask asks the donor's owner for bytes of its state. It is answered with Data, at once or
// later.
type Ask struct {
	To     view.Member // the joiner for which it is; the answer says so again
	Cut    view.Name
	Offset uint64
	Size   int // bytes; at most 86,016
}

// Chunk is the next bytes of the state. Chunks come in order without a gap.
type Chunk struct {
	Offset uint64
	Data   []byte // valid until Output.Reset
}

// Kind is what became of a transfer.
type Kind uint8

// The kinds of events. After either the machine is idle.
const (
	Done   Kind = 1 + iota // all chunks were handed over, and their sum is right
	Failed                 // what was handed over is worthless; fetch a later cut
)

// Cause is why a transfer failed.
type Cause uint8

// The causes.
const (
	None      Cause = iota
	Withdrawn       // the donor does not serve this cut any more
	Differs         // the sum is wrong, or the size: two donors had different bytes, or memory is bad
)

// String gives the cause in words.
func (c Cause) String() string {
	switch c {
	case Withdrawn:
		return "the donor does not serve this cut any more"
	case Differs:
		return "the state differs from what its checksum says"
	}
	return "none"
}

// Event is the end of a transfer.
type Event struct {
	Kind  Kind
	Cause Cause
	Cut   view.Name
	Size  uint64 // bytes handed over
}

// Output is what a step puts out. Chunks come before Events.
type Output struct {
	wire.Outbox
	Asks   []Ask
	Chunks []Chunk
	Events []Event
}

// Reset makes an output empty and keeps its buffers.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Asks, o.Chunks, o.Events = o.Asks[:0], o.Chunks[:0], o.Events[:0]
}

// castagnoli is the polynomial of the sum.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Machine is a donor of states and a joiner that fetches one, for one group. See the
// package for what it promises. Its methods do not block, do not fail and are not safe for
// concurrent use.
type Machine struct {
	cfg  Config
	rng  *rand.Rand
	last time.Time     // now of the last call
	ran  time.Duration // that has passed; a clock that is put back adds nothing

	joiner joiner
	donor  donor

	in, said message // reused
	dropped  [wire.ReasonCount]uint64
}

// New makes the machine of one member in one group. rng shifts repeated requests a little;
// nil means exact times. The error names what is wrong with the configuration.
func New(cfg Config, rng *rand.Rand) (*Machine, error) {
	if !cfg.Self.Known() {
		return nil, fmt.Errorf("transfer: self is %v; both its ID and its incarnation must be known", cfg.Self)
	}
	return &Machine{cfg: cfg, rng: rng}, nil
}

// Receive takes a message: the payload of a frame whose channel is wire.Transfer. from is
// who sent it, in which life, as the transport proved it. What does not count is dropped,
// counted and traced.
func (m *Machine) Receive(now time.Time, from view.Member, payload []byte, out *Output) {
	m.enter(now)
	s := &m.in
	switch {
	case !s.parse(payload):
		m.drop(now, from.ID, wire.Malformed)
	case s.group != m.cfg.Group:
		m.drop(now, from.ID, wire.ForeignGroup)
	case !from.Known() || from.ID == m.cfg.Self.ID:
		m.drop(now, from.ID, wire.UnknownSender)
	case s.kind == kindWant && s.life != m.cfg.Self.Incarnation:
		m.drop(now, from.ID, wire.WrongDestination)
	case s.kind == kindWant:
		m.wanted(from, s, out)
	case !m.joiner.active || from != m.joiner.donor:
		m.drop(now, from.ID, wire.Stale)
	case s.cut != m.joiner.cut && canary != AnyCut:
		m.drop(now, from.ID, wire.OtherView)
	default:
		m.told(now, s, out)
	}
}

// Tick does what is due. It is to be called at Deadline; any other time does no harm.
func (m *Machine) Tick(now time.Time, out *Output) {
	m.enter(now)
	m.retry(out)
}

// Deadline is when Tick is due next; zero: never, for nothing is being fetched.
func (m *Machine) Deadline() time.Time {
	if !m.joiner.active {
		return time.Time{}
	}
	return m.last.Add(m.joiner.due - m.ran)
}

// Dropped is how many messages were dropped for a reason.
func (m *Machine) Dropped(why wire.Reason) uint64 {
	if int(why) < len(m.dropped) {
		return m.dropped[why]
	}
	return 0
}

// enter begins a step: it moves the time on.
func (m *Machine) enter(now time.Time) {
	if !m.last.IsZero() {
		m.ran += min(max(now.Sub(m.last), 0), time.Hour)
	}
	m.last = now
}

// send posts m.said to a member.
func (m *Machine) send(to view.ID, out *Output) {
	m.said.group = m.cfg.Group
	h := wire.Header{Channel: wire.Transfer, Fingerprint: m.cfg.Fingerprint}
	out.End(to, wire.AllLinks, m.said.append(out.Begin(h)))
}

func (m *Machine) note(k trace.Kind, about view.ID, a, b uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: m.last, Node: m.cfg.Self.ID, Peer: about, Kind: k, A: a, B: b})
	}
}

func (m *Machine) drop(now time.Time, about view.ID, why wire.Reason) {
	m.dropped[why]++
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: about, Kind: trace.Dropped, A: uint64(why), B: uint64(wire.Transfer)})
	}
}

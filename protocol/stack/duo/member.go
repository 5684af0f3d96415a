package duo

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Config is what a member of two needs.
type Config struct {
	Name         string // of the service; the same at both
	Self         view.Member
	Peer         view.ID
	Preferred    view.ID // of the two, the same at both
	Terms        string  // what both must have configured alike, in words, at most termsMax bytes; "": nothing is compared
	Fingerprint  uint32
	Heartbeat    time.Duration
	SuspectAfter time.Duration
	Executor     *session.Executor
	Recorder     trace.Recorder
}

// style is what the machines of both styles are to the stack.
type style interface {
	start(now time.Time)
	submit(now time.Time, from caller, request []byte)
	receive(now time.Time, from view.Member, payload []byte)
	tick(now time.Time)
	deadline() time.Time
	server() view.ID
	doubt(now time.Time)
	channel() wire.Channel
	outbox() *wire.Outbox
	reset()
	// reap hands over what a step has put out, but for frames.
	reap(reply func(to caller, data []byte), do func(*replica.Command))
	stable() uint64
	present() bool
	status() Status
}

// Member is one of two servers. One goroutine at a time owns it, the one that owns the node.
type Member struct {
	cfg   Config
	key   [keySize]byte
	node  *cohort.Node
	style style
	out   replica.Output
	relay relay
	box   wire.Outbox // frames of the stack's own

	take func(to caller, data []byte) // methods, made once
	do   func(*replica.Command)

	arbiter view.ID // pair: whom it asks
	save    view.Epoch
	known   bool // pair: the saved epoch says something
	door    door
	left    bool
	dropped [wire.ReasonCount]uint64
}

// Status is what there is to say of a member.
type Status struct {
	Style  string
	Role   string     // in words
	Epoch  view.Epoch // in which it has it
	Silent bool       // the other is
	Index  uint64     // of the last command it has executed
	Stable uint64     // up to which both have it, or the store
	Whole  bool       // both are there, and one more failure is survived
	Going  bool       // pair: it was decided that this member goes on alone, and the epoch is being saved
}

func newMember(node *cohort.Node, cfg *Config) (*Member, error) {
	if cfg.Name == "" {
		return nil, fmt.Errorf("duo: the service of %v has no name; give it one", cfg.Self.ID)
	}
	if len(cfg.Terms) > termsMax {
		return nil, fmt.Errorf("duo: the terms of service %q have %d bytes, more than %d", cfg.Name, len(cfg.Terms), termsMax)
	}
	m := &Member{cfg: *cfg, node: node}
	binary.BigEndian.PutUint32(m.key[:], cohort.Key(cfg.Name))
	m.take, m.do = m.reply, m.command
	return m, nil
}

// begin attaches a member to its node.
func (m *Member) begin(now time.Time) {
	m.node.Attach(now, m)
	now = m.node.Begin(now)
	m.style.start(now)
	m.reap()
	if m.cfg.Terms != "" {
		m.introduce(now)
	}
}

// Group is nil: a member of two is in none.
func (m *Member) Group() *cohort.Group { return nil }

// Heed has nothing to do: there is no group.
func (m *Member) Heed(time.Time, *cohort.Delivery) {}

// Output is what clients are answered and what happened. It is valid until Reset.
func (m *Member) Output() *replica.Output { return &m.out }

// Submit takes a client's request, an encoded [session.Request].
func (m *Member) Submit(now time.Time, from replica.Client, request []byte) {
	now = m.node.Begin(now)
	client := nameCaller(m.cfg.Self, uint64(from))
	if _, why := session.ParseRequest(request); why == wire.OK && client != 0 && m.style.server() == m.cfg.Peer {
		m.style.doubt(now)
		m.carry(kindRequest, client, request)
		return
	}
	m.style.submit(now, client, request)
	m.reap()
}

// Tick does what is due.
func (m *Member) Tick(now time.Time) {
	now = m.node.Begin(now)
	if m.isShut(now) {
		return
	}
	if d := m.style.deadline(); !d.IsZero() && !now.Before(d) {
		m.style.tick(now)
		m.reap()
	}
}

// Deadline is when Tick has something to do; zero: never.
func (m *Member) Deadline() time.Time {
	if !m.door.shut.IsZero() {
		return m.node.Clock(m.door.next)
	}
	return m.node.Clock(m.style.deadline())
}

// Act does what follows from what was written, and says whether there are frames to be sent: the node does it.
func (m *Member) Act(now time.Time, _ *cohort.Output) bool {
	if p, is := m.style.(*pairing); is && p.lasting != nil && p.lasting.news {
		p.wrote(m.node.Begin(now))
	}
	return len(m.box.Send)+len(m.style.outbox().Send) > 0
}

// Receive takes a frame of the other member, or of the arbiter.
func (m *Member) Receive(now time.Time, from view.Member, c wire.Channel, payload []byte) bool {
	if c == wire.Group && len(payload) > keySize && [keySize]byte(payload) == m.key && from.ID == m.cfg.Peer && m.cfg.Terms != "" {
		m.differ(now, from, cohort.TermsOfGroup)
		return true
	}
	if c != wire.Duo && c != m.style.channel() || len(payload) <= keySize || [keySize]byte(payload) != m.key {
		return false
	}
	if payload = payload[keySize:]; c == wire.Duo && payload[0] == kindTerms {
		m.greeted(now, from, payload)
		return true
	}
	if m.stranger(now, from) {
		return true
	}
	if c != wire.Duo {
		m.style.receive(now, from, payload)
		m.reap()
		return true
	}
	if payload[0] == kindVerdict {
		m.judged(now, from, payload)
		return true
	}
	p, ok := parsePiece(payload)
	switch {
	case !ok:
		m.drop(now, from.ID, wire.Malformed)
	case from.ID != m.cfg.Peer:
		m.drop(now, from.ID, wire.UnknownSender)
	case p.kind == kindRequest && !p.client.of(from), p.kind == kindReply && !p.client.of(m.cfg.Self):
		m.drop(now, from.ID, wire.WrongDestination)
	default:
		if all := m.relay.join(from.Incarnation, &p); all != nil {
			m.carried(now, &p, all)
		}
	}
	return true
}

// carried takes a request of a client of the other member, or an answer to one of this member's.
func (m *Member) carried(now time.Time, p *piece, data []byte) {
	if p.kind == kindReply {
		m.reply(p.client, data)
		return
	}
	m.style.submit(now, p.client, data)
	m.reap()
}

// Suspect tells what the detector thinks of a member.
func (m *Member) Suspect(now time.Time, who view.Member, suspected bool) {
	if who.ID == m.cfg.Peer && suspected && m.door.shut.IsZero() {
		m.style.doubt(now)
	}
}

// Flush appends the frames to be sent.
func (m *Member) Flush(out *cohort.Output) {
	out.Send = append(out.Send, m.style.outbox().Send...)
	out.Send = append(out.Send, m.box.Send...)
}

// Reset forgets the frames that were sent.
func (m *Member) Reset() {
	m.style.reset()
	m.box.Reset()
}

func (m *Member) reap() {
	m.style.reap(m.take, m.do)
	m.settle()
}

// reply gives an answer to a client, here or at the other member.
func (m *Member) reply(to caller, data []byte) {
	switch {
	case to.of(m.cfg.Self):
		m.out.Answer(replica.Client(to.connection()), append(m.out.Begin(), data...))
	case to.member() == m.cfg.Peer:
		m.carry(kindReply, to, data)
	}
}

func (m *Member) command(c *replica.Command) { m.out.Do = append(m.out.Do, *c) }

// carry sends a request or an answer to the other member.
func (m *Member) carry(kind byte, client caller, data []byte) {
	for p := m.relay.cut(kind, client, data); len(p.data) > 0; p.next(data) {
		m.box.End(m.cfg.Peer, wire.AllLinks, p.append(m.open()))
	}
}

// open begins a frame.
func (m *Member) open() []byte {
	return append(m.box.Begin(wire.Header{Channel: wire.Duo, Fingerprint: m.cfg.Fingerprint}), m.key[:]...)
}

// Stable is the index up to which commands cannot be lost by one crash more than there was.
func (m *Member) Stable() uint64 { return m.style.stable() }

// Present says whether this member has the state.
func (m *Member) Present() bool { return !m.left && m.style.present() }

// Status is what there is to say of this member.
func (m *Member) Status() Status { return m.style.status() }

// Leads says whether this member takes requests.
func (m *Member) Leads() bool { return !m.left && m.style.server() == m.cfg.Self.ID }

// Leave takes this member off its node. The other takes it for crashed.
func (m *Member) Leave(time.Time, *cohort.Output) (left bool) {
	m.left = true
	m.node.Detach(m)
	return true
}

// Failed is why the log cannot be written any more; nil while it can, or there is none. Then nothing more is answered here,
// and the process must end.
func (m *Member) Failed() error {
	if p, is := m.style.(*pairing); is && p.lasting != nil {
		return p.lasting.log.failure
	}
	return nil
}

// Written tells that the disk under the log has done something. Act must follow.
func (m *Member) Written() {
	if p, is := m.style.(*pairing); is && p.lasting != nil {
		p.lasting.news = true
	}
}

func (m *Member) drop(now time.Time, from view.ID, why wire.Reason) {
	m.dropped[why]++
	if r := m.cfg.Recorder; r != nil {
		r.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: from, Kind: trace.Dropped, A: uint64(why), B: uint64(wire.Duo)})
	}
}

// Dropped is how many messages of the stack's own were dropped for a reason.
func (m *Member) Dropped(why wire.Reason) uint64 { return m.dropped[why] }

var _ cohort.Guest = (*Member)(nil)

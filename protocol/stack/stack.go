package stack

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Stack is the machines of one node. Its methods neither block nor fail; none may be
// called while another runs.
type Stack struct {
	cfg      Config
	name     string
	takeover *takeover.Machine
	proxy    *stateproxy.Machine
	peers    []peer

	// owning: this node is a source. From the command to raise the addresses until
	// its successor is seen active and the neighbours have learned of it.
	owning      bool
	disownAt    time.Time   // zero: not decided
	predecessor view.Member // the last other active
	graceUntil  time.Time   // until when its late arrivals are taken

	commit commit
	mirror mirror

	synced     bool
	active     view.Member
	identifyAt time.Time
	drops      [wire.ReasonCount]uint64
}

// peer is what the stack itself knows of a peer.
type peer struct {
	id      view.ID
	silent  bool // the takeover has said so, and not taken it back
	proven  bool // as told to the takeover
	refused string
}

// commit is an injection of all replicated state that is under way.
type commit struct {
	epoch  view.Epoch // 0: none
	own    bool       // our own cache is being gone through
	last   view.ID    // who was active before, and whose cache comes last
	peer   int        // whose turn it is
	cursor uint32
	marked bool // everything was asked for; the service was asked to say when it is done
}

func (s *Stack) peer(id view.ID) *peer {
	for i := range s.peers {
		if s.peers[i].id == id {
			return &s.peers[i]
		}
	}
	return nil
}

// Start begins. It is called once, before anything else.
func (s *Stack) Start(now time.Time, out *Output) {
	s.identifyAt = now
	s.takeover.Start(now, &out.takeover)
	s.proxy.Start(now, &out.proxy)
	s.settle(now, out)
}

// Receive takes a frame. from is the authenticated sender, link the way it came,
// counted from 1. What is wrong with a frame is counted and traced, nothing more.
func (s *Stack) Receive(now time.Time, from view.Member, link uint8, frame []byte, out *Output) {
	h, payload, why := wire.Open(frame)
	p := s.peer(from.ID)
	switch {
	case why != wire.OK:
	case p == nil:
		why = wire.UnknownSender
	case h.Channel == wire.Identify:
		why = s.identified(now, p, h, payload)
	case h.Fingerprint != s.cfg.Fingerprint:
		why = wire.ForeignCluster
		if p.refused == "" {
			p.refused = "it belongs to another cluster, or has another configuration"
		}
	case h.Channel == wire.Takeover:
		s.takeover.Receive(now, from, link, payload, &out.takeover)
	case h.Channel == wire.StateProxy:
		s.proxy.Receive(now, from, payload, &out.proxy)
	default:
		why = wire.UnknownChannel
	}
	if why != wire.OK {
		s.drops[why]++
		s.record(trace.Event{At: now, Node: s.cfg.Self.ID, Peer: from.ID, Kind: trace.Dropped, A: uint64(why), B: uint64(h.Channel)})
		return
	}
	s.settle(now, out)
}

// Tick does what is due. It is to be called at Deadline.
func (s *Stack) Tick(now time.Time, out *Output) {
	s.takeover.Tick(now, &out.takeover)
	s.settle(now, out)
	s.inject(now, out)
	s.proxy.Tick(now, &out.proxy)
	s.identify(now, out)
	s.settle(now, out)
}

// Deadline is when Tick is due next; zero: never.
func (s *Stack) Deadline() time.Time {
	if s.working() {
		return time.Unix(0, 1) // long past: at once
	}
	d := earlier(s.takeover.Deadline(), s.proxy.Deadline())
	d = earlier(d, s.disownAt)
	return earlier(d, s.identifyAt)
}

// working says whether a cache is being gone through in chunks.
func (s *Stack) working() bool {
	return s.commit.epoch != 0 && !s.commit.marked || s.mirror.walking || s.mayBegin()
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Health says how many tracked interfaces are down.
func (s *Stack) Health(now time.Time, down int, out *Output) {
	s.takeover.Health(now, down, &out.takeover)
	s.settle(now, out)
}

// Committed says that everything asked before Commit is in the table.
func (s *Stack) Committed(now time.Time, epoch view.Epoch, out *Output) {
	s.takeover.Committed(now, epoch, &out.takeover)
	s.settle(now, out)
}

// Raised says that the addresses are held.
func (s *Stack) Raised(now time.Time, epoch view.Epoch, out *Output) {
	s.takeover.Raised(now, epoch, &out.takeover)
	s.settle(now, out)
}

// Lowered says that the addresses are not held.
func (s *Stack) Lowered(now time.Time, epoch view.Epoch, out *Output) {
	s.takeover.Lowered(now, epoch, &out.takeover)
	s.settle(now, out)
}

// Switch begins a planned handover to a member, or to the best one if to is Nobody.
// The error says why it cannot begin.
func (s *Stack) Switch(now time.Time, to view.ID, out *Output) error {
	err := s.takeover.Switch(now, to, &out.takeover)
	s.settle(now, out)
	return err
}

// Resync tells a peer everything again.
func (s *Stack) Resync(now time.Time, id view.ID) { s.proxy.Resync(now, id) }

// Stop makes the node leave: it hands over if somebody is ready, lowers the addresses
// and says goodbye. Go on with Tick until Stopped.
func (s *Stack) Stop(now time.Time, out *Output) {
	s.takeover.Stop(now, &out.takeover)
	s.settle(now, out)
}

// Stopped says whether a stop is complete.
func (s *Stack) Stopped() bool { return s.takeover.Stopped() }

// record passes an event on, and notes those that join the machines.
func (s *Stack) record(e trace.Event) {
	switch e.Kind {
	case trace.PeerSilent:
		if p := s.peer(e.Peer); p != nil {
			p.silent = true
		}
	case trace.PeerHeard:
		if p := s.peer(e.Peer); p != nil {
			p.silent, p.refused = false, ""
		}
	}
	if s.cfg.Recorder != nil {
		s.cfg.Recorder.Record(e)
	}
}

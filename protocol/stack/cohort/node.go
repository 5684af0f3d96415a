package cohort

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/detect"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Node is a process's place in all its groups. A step is any number of calls and a
// [Node.Flush]; what the step put out must be carried out, or copied, before the first call
// of the next one.
type Node struct {
	cfg     NodeConfig
	rng     *rand.Rand
	seats   []view.Seat
	detect  *detect.Machine
	found   detect.Output
	groups  []*Group
	guests  []Guest
	past    map[uint32]group.Past // of groups that were left, by key
	flushed bool
	last    time.Time     // the latest time that was told
	ahead   time.Duration // how far a clock that jumped back is behind the time that machines are told
	drops   [wire.ReasonCount]uint64
	one     [1]view.ID
}

// New makes a node. It does nothing before [Node.Start].
func New(cfg NodeConfig, rng *rand.Rand) (*Node, error) {
	n := &Node{cfg: cfg, rng: rng, past: map[uint32]group.Past{}}
	var peers []view.ID
	for _, c := range cfg.Candidates {
		if len(c.Name) == 0 || len(c.Name) > nameMax {
			return nil, fmt.Errorf("cohort: the name of %v is %q; it must have 1 to %d bytes", c.ID, c.Name, nameMax)
		}
		n.seats = append(n.seats, view.Seat{Member: view.Member{ID: c.ID}, Votes: c.Votes, Witness: c.Witness})
		if c.ID != cfg.Self.ID {
			peers = append(peers, c.ID)
		}
	}
	var err error
	n.detect, err = detect.New(detect.Config{
		Self: cfg.Self, Peers: peers, Links: cfg.Links, Heartbeat: cfg.Heartbeat, SuspectAfter: cfg.SuspectAfter,
		Perfect: cfg.Perfect, Fingerprint: cfg.Fingerprint, Recorder: cfg.Recorder,
	}, n.random())
	return n, err
}

// random is a source of its own for one machine, so that what one draws does not move
// what another draws.
func (n *Node) random() *rand.Rand { return rand.New(rand.NewPCG(n.rng.Uint64(), n.rng.Uint64())) }

// Start begins to send heartbeats.
func (n *Node) Start(now time.Time, out *Output) {
	now = n.begin(now)
	n.detect.Start(now, &n.found)
	n.heed(now)
}

// Key is the number under which the frames of a group's name go.
func Key(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()
}

// Join asks to be let into a group, or to found it. Its deliveries say what becomes of it.
func (n *Node) Join(now time.Time, cfg GroupConfig, out *Output) (*Group, error) {
	now = n.begin(now)
	if len(n.groups) == groupsMax {
		return nil, fmt.Errorf("cohort: this process is in %d groups already, the most there may be", groupsMax)
	}
	for _, g := range n.groups {
		if g.cfg.Name == cfg.Name {
			return nil, fmt.Errorf("cohort: this process is in group %q already, or on its way into or out of it; wait until it has left", cfg.Name)
		}
		if g.key == Key(cfg.Name) {
			return nil, fmt.Errorf("cohort: group %q: this process is in group %q, whose frames could not be told apart", cfg.Name, g.cfg.Name)
		}
	}
	g, err := newGroup(n, cfg)
	if err != nil {
		return nil, err
	}
	n.groups = append(n.groups, g)
	for _, c := range n.cfg.Candidates {
		if life, suspected := n.detect.Life(c.ID); life != 0 {
			g.suspect(now, view.Member{ID: c.ID, Incarnation: life}, suspected)
		}
	}
	g.members.Join(now, &g.told)
	g.obey(now)
	return g, nil
}

// Receive takes one frame that the transport says is from this life of a member.
func (n *Node) Receive(now time.Time, from view.Member, link uint8, frame []byte, out *Output) {
	now = n.begin(now)
	h, payload, reason := wire.Open(frame)
	if reason == wire.OK && h.Fingerprint != n.cfg.Fingerprint {
		reason = wire.ForeignCluster
	}
	if reason != wire.OK {
		n.drop(now, from.ID, reason, h.Channel)
		return
	}
	n.detect.Heard(now, from, link, &n.found)
	n.heed(now)
	switch h.Channel {
	case wire.Detect:
		n.detect.Receive(now, from, link, payload, &n.found)
		n.heed(now)
	case wire.Group, wire.Cast, wire.Transfer:
		at := groupAt(h.Channel)
		if len(payload) < at+4 {
			n.drop(now, from.ID, wire.Malformed, h.Channel)
			return
		}
		g := n.group(binary.BigEndian.Uint32(payload[at:]))
		if g == nil && h.Channel == wire.Group {
			if n.offer(now, from, h.Channel, payload) {
				return
			}
			key := binary.BigEndian.Uint32(payload)
			group.Decline(n.cfg.Self, from.ID, key, n.cfg.Fingerprint, n.past[key], payload[4:], &n.found.Outbox)
		}
		if g == nil {
			n.drop(now, from.ID, wire.ForeignGroup, h.Channel)
			return
		}
		g.receive(now, from, h.Channel, payload)
	case wire.Pair, wire.Checkpointed, wire.Duo:
		n.visit(now, from, h.Channel, payload)
	default:
		n.drop(now, from.ID, wire.UnknownChannel, h.Channel)
	}
}

// groupAt is where a message has its group's key.
func groupAt(c wire.Channel) int {
	switch c {
	case wire.Cast:
		return 2
	case wire.Transfer:
		return 1
	}
	return 0
}

func (n *Node) group(key uint32) *Group {
	for _, g := range n.groups {
		if g.key == key {
			return g
		}
	}
	return nil
}

// Seats are whom the configuration names, with their votes and without lives, ascending by ID.
func (n *Node) Seats() []view.Seat { return n.seats }

// Suspect tells the detector of a node with NodeConfig.Perfect what is true.
func (n *Node) Suspect(now time.Time, id view.ID, suspected bool, out *Output) {
	now = n.begin(now)
	n.detect.Suspect(now, id, suspected, &n.found)
	n.heed(now)
}

// heed passes on what the detector found.
func (n *Node) heed(now time.Time) {
	for _, c := range n.found.Changes {
		for _, g := range n.groups {
			g.suspect(now, c.Peer, c.Suspected)
		}
		for _, g := range n.guests {
			g.Suspect(now, c.Peer, c.Suspected)
		}
	}
	n.found.Changes = n.found.Changes[:0]
}

// Tick does what is due.
func (n *Node) Tick(now time.Time, out *Output) {
	now = n.begin(now)
	if due(now, n.detect.Deadline()) {
		n.detect.Tick(now, &n.found)
		n.heed(now)
	}
	for _, g := range n.groups {
		g.tick(now)
	}
}

func due(now, deadline time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

// Deadline is when Tick has something to do; zero: never.
func (n *Node) Deadline() time.Time {
	d := n.detect.Deadline()
	for _, g := range n.groups {
		d = sooner(d, g.deadline())
	}
	if d.IsZero() {
		return d
	}
	return d.Add(-n.ahead)
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Flush ends a step: messages get their order, what is due leaves, and everything is put
// out.
func (n *Node) Flush(now time.Time, out *Output) {
	now = n.begin(now)
	out.Send = append(out.Send, n.found.Send...)
	kept := n.groups[:0]
	for _, g := range n.groups {
		g.flush(now, out)
		if !g.over {
			kept = append(kept, g)
			continue
		}
		n.past[g.key] = g.members.Past()
	}
	clear(n.groups[len(kept):])
	n.groups = kept
	for _, g := range n.guests {
		g.Flush(out)
	}
	n.flushed = true
}

// begin begins a call: it takes the buffers back if it is the first of its step, and gives
// the time that the machines are told. That never goes back, whatever the clock does.
func (n *Node) begin(now time.Time) time.Time {
	if now = now.Add(n.ahead); now.Before(n.last) {
		n.ahead += n.last.Sub(now)
		now = n.last
	}
	n.last = now
	if n.flushed {
		n.takeBack()
	}
	return now
}

func (n *Node) takeBack() {
	n.flushed = false
	n.found.Reset()
	for _, g := range n.groups {
		g.resetOutputs()
	}
	for _, g := range n.guests {
		g.Reset()
	}
}

func (n *Node) drop(now time.Time, from view.ID, r wire.Reason, c wire.Channel) {
	n.drops[r]++
	if n.cfg.Recorder != nil {
		n.cfg.Recorder.Record(trace.Event{At: now, Node: n.cfg.Self.ID, Peer: from, Kind: trace.Dropped, A: uint64(r), B: uint64(c)})
	}
}

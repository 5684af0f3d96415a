package cohort

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/cast"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/transfer"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Group is a node's place in one group.
type Group struct {
	node    *Node
	cfg     GroupConfig
	key     uint32
	witness bool

	members  *group.Machine
	streams  *cast.Machine
	orders   *order.Machine
	state    *transfer.Machine
	told     group.Output
	streamed cast.Output
	ordered  order.Output
	moved    transfer.Output

	current *view.View
	history []Past
	ready   []Delivery // of this step
	hold    hold
	slow    view.ID

	refusals map[view.ID]string // what was told of them since the last view

	throttled bool
	filling   bool
	over      bool // departed; the node forgets it
	leaving   bool // wants to, once its joiners have their state
	wanting   bool // the owner keeps a message that did not fit, of wanted bytes
	wanted    int
	again     bool // what waits for the window has room now: another step is due
	queue     queue
	lead      []byte // of a record: all but the payload
	own       window
	agreed    [view.SeatMax]uint64

	anew     anew
	fetching view.Member // the donor, while the state is fetched
	cut      view.Name   // of that state
	servings []serving
}

// Past is a view that a group was in.
type Past struct {
	View *view.View
	At   time.Time
}

func newGroup(n *Node, cfg GroupConfig) (*Group, error) {
	if cfg.MessageMax == 0 {
		cfg.MessageMax = messageMax
	}
	if cfg.QueueMax == 0 {
		cfg.QueueMax = queueDefault
	}
	if cfg.HeldMax == 0 {
		cfg.HeldMax = heldDefault
	}
	switch {
	case len(cfg.Name) == 0 || len(cfg.Name) > nameMax || strings.ContainsAny(cfg.Name, "\n\t"):
		return nil, fmt.Errorf("cohort: the group's name is %q; it must have 1 to %d bytes on one line", cfg.Name, nameMax)
	case cfg.MessageMax < 0 || cfg.MessageMax > messageMax:
		return nil, fmt.Errorf("cohort: group %q: MessageMax is %d; it must be 1 to %d bytes", cfg.Name, cfg.MessageMax, messageMax)
	case cfg.MessageMax+order.HeaderMax > cast.RecordMax(cfg.Window):
		return nil, fmt.Errorf("cohort: group %q: a message of %d bytes, MessageMax, does not go into a window of %d packets; the most is %d bytes, or make Window larger",
			cfg.Name, cfg.MessageMax, cfg.Window, cast.RecordMax(cfg.Window)-order.HeaderMax)
	case cfg.QueueMax < cfg.MessageMax:
		return nil, fmt.Errorf("cohort: group %q: QueueMax is %d bytes; it must hold a message of MessageMax, %d", cfg.Name, cfg.QueueMax, cfg.MessageMax)
	}
	g := &Group{node: n, cfg: cfg, key: Key(cfg.Name), refusals: map[view.ID]string{}}
	g.queue.most = cfg.QueueMax
	for _, s := range n.seats {
		g.witness = g.witness || s.ID == n.cfg.Self.ID && s.Witness
	}
	return g, g.build()
}

// build makes the machines.
func (g *Group) build() error {
	n := g.node
	var err error
	g.members, err = group.New(group.Config{
		Self: n.cfg.Self, Candidates: n.seats, Group: g.key, Fingerprint: n.cfg.Fingerprint, Terms: g.cfg.terms(), All: g.cfg.All, Durable: g.cfg.Durable,
		Past:  n.past[g.key],
		Pulse: pulseHeartbeats * n.cfg.Heartbeat, Patience: n.cfg.SuspectAfter, Recorder: n.cfg.Recorder,
	}, n.random())
	if err != nil {
		return err
	}
	g.streams, err = cast.New(cast.Config{
		Self: n.cfg.Self, Group: g.key, Fingerprint: n.cfg.Fingerprint, Window: g.cfg.Window, All: g.cfg.All,
		Hold: n.hold(), Recorder: n.cfg.Recorder,
	}, n.random())
	if err != nil {
		return err
	}
	g.orders, err = order.New(order.Config{Self: n.cfg.Self, Engine: g.cfg.Engine, Recorder: n.cfg.Recorder}, n.random())
	if err != nil {
		return err
	}
	g.state, err = transfer.New(transfer.Config{Self: n.cfg.Self, Group: g.key, Fingerprint: n.cfg.Fingerprint, Recorder: n.cfg.Recorder}, n.random())
	return err
}

// hold is the fewest votes that cannot all lose their memory as long as less than half of
// what is configured does. In a view of few members a quorum of the view is not enough:
// those who are left may go on without one, once all who are missing are known to be over.
func (n *Node) hold() int {
	votes := 0
	for _, s := range n.seats {
		votes += int(s.Votes)
	}
	return (votes + 1) / 2
}

// terms is what the members of a group must agree on, in the words of the configuration.
func (c *GroupConfig) terms() string {
	partition, state := "primary", "no"
	if c.All {
		partition = "all"
	}
	if c.Stateful {
		state = "yes"
	}
	terms := fmt.Sprintf("group=%s partition=%s engine=%s message_max=%d state=%s",
		c.Name, partition, c.Engine, c.MessageMax, state)
	if c.Style != "" {
		terms += " style=" + c.Style
	}
	if c.Style != "" || c.Durable {
		terms += " durable=" + map[bool]string{false: "no", true: "yes"}[c.Durable]
	}
	return terms
}

// Name is the group's name.
func (g *Group) Name() string { return g.cfg.Name }

// View is the view that was delivered last, or nil.
func (g *Group) View() *view.View { return g.current }

// Leave takes this member out; Departed is the last delivery. Messages that it has
// multicast go first, and a joiner that gets the state from here is served first.
func (g *Group) Leave(now time.Time, out *Output) {
	now = g.node.begin(now)
	g.leaving = true
	g.tryLeave(now)
}

func (g *Group) tryLeave(now time.Time) {
	if g.leaving && (g.current == nil || g.queue.empty()) && !g.serves(now) {
		g.members.Leave(now, &g.told)
		g.obey(now)
	}
}

// Throttle says that the owner is slow: nothing is delivered until it is off again. This
// member's acknowledgements then slow the senders, who name it.
func (g *Group) Throttle(on bool) { g.throttled = on }

func (g *Group) suspect(now time.Time, life view.Member, suspected bool) {
	g.streams.Suspect(life.ID, suspected)
	g.members.Suspect(now, life, suspected, &g.told)
	g.obey(now)
}

func (g *Group) receive(now time.Time, from view.Member, c wire.Channel, payload []byte) {
	switch c {
	case wire.Group:
		g.members.Receive(now, from, payload[4:], &g.told)
		g.obey(now)
	case wire.Cast:
		g.streams.Receive(now, from, payload, &g.streamed)
		g.order(now)
	case wire.Transfer:
		if g.throttled && g.fetching.Known() {
			return // there is no place for it; it is asked for again
		}
		g.state.Receive(now, from, payload, &g.moved)
		g.move(now)
	}
}

func (g *Group) tick(now time.Time) {
	if due(now, g.members.Deadline()) {
		g.members.Tick(now, &g.told)
		g.obey(now)
	}
	if g.carries() && due(now, g.streams.Deadline()) {
		g.streams.Tick(now, &g.streamed)
		g.order(now)
	}
	if due(now, g.state.Deadline()) {
		g.state.Tick(now, &g.moved)
		g.move(now)
	}
	g.endServing(now)
	g.tryLeave(now)
}

// carries says whether there are streams.
func (g *Group) carries() bool { return g.current != nil && !g.witness }

func (g *Group) deadline() time.Time {
	d := g.members.Deadline()
	if g.carries() {
		d = sooner(d, g.streams.Deadline())
	}
	if g.again || !g.throttled && len(g.hold.slow) > 0 {
		d = g.node.last
	}
	if g.anew.rests(g.node.last) {
		d = sooner(d, g.anew.until)
	}
	d = sooner(d, g.state.Deadline())
	for i := range g.servings {
		d = sooner(d, g.servings[i].end().Add(time.Nanosecond))
		if g.leaving {
			if at := g.servings[i].asked.Add(stayMax); at.After(g.node.last) {
				d = sooner(d, at)
			}
		}
	}
	return d
}

// obey carries out what the membership asks. What it asks may make it ask more.
func (g *Group) obey(now time.Time) {
	for i := 0; i < len(g.told.Do); i++ {
		c := &g.told.Do[i]
		switch c.Verb {
		case group.Freeze:
			g.streams.Freeze(now)
			g.streams.Fetch(now, nil, &g.streamed) // what a former ballot wanted
			g.filling = false
			g.members.Frozen(now, g.streams.Holding(), &g.told)
		case group.Fill:
			g.streams.Fetch(now, c.Pieces, &g.streamed)
			g.filling = true
		case group.Install:
			g.install(now, *c)
		case group.Dismiss:
			g.dismiss(now, *c)
		case group.Block:
			g.emit(Delivery{Kind: Blocked, View: g.current, Missing: c.Missing})
		case group.Unblock:
			g.emit(Delivery{Kind: Unblocked})
		case group.Pledge:
			g.ask(Delivery{Kind: Pledge, Era: c.Era})
		case group.Refuse:
			g.refused(c.Peer, c.Text)
		}
	}
	g.told.Do = g.told.Do[:0]
	g.checkFill(now)
}

// refused tells once what a member that refuses this one says: it says so at each pulse.
func (g *Group) refused(by view.ID, terms string) {
	if g.refusals[by] != terms {
		g.refusals[by] = terms
		g.emit(Delivery{Kind: Refused, Peer: by, Refusal: terms})
	}
}

// checkFill tells the membership when all that it wanted fetched is here.
func (g *Group) checkFill(now time.Time) {
	if g.filling && g.streams.Missing() == 0 {
		g.filling = false
		g.members.Filled(now, &g.told)
		g.obey(now)
	}
}

func (g *Group) resetOutputs() {
	g.told.Reset()
	g.told.Do = g.told.Do[:0]
	g.streamed.Reset()
	g.streamed.Records = g.streamed.Records[:0]
	g.moved.Reset()
	clear(g.ready)
	g.ready = g.ready[:0]
}

// Restart takes this member out of its view and lets it come in anew: its state is not good,
// and is replaced by another's. If void, it must not be used even if nobody has another. If that happens
// again soon it stays outside for a while, longer each time.
func (g *Group) Restart(now time.Time, void bool, out *Output) {
	now = g.node.begin(now)
	g.restart(now, void)
}

// Stand tells, in no view of a durable group, what this member has: after the join and after each
// Expelled.
func (g *Group) Stand(now time.Time, s group.Standing, out *Output) {
	now = g.node.begin(now)
	g.members.Stand(now, s, &g.told)
	g.obey(now)
}

// Pledged tells that what Pledge has asked for is on the disk.
func (g *Group) Pledged(now time.Time, era view.Epoch, out *Output) {
	now = g.node.begin(now)
	g.members.Pledged(now, era, &g.told)
	g.obey(now)
}

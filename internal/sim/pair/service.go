package pair

import (
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// service carries out a stack's commands, in order, each taking its time.
type service struct {
	orders []order
	next   int             // in orders
	dumped int             // the number of the flow that a Dump has come to
	missed []time.Duration // by number: when a Dump missed the flow last
}

type order struct {
	verb  stack.Verb
	epoch view.Epoch
	flow  int
	state []byte
}

const (
	chunk     = 64  // flows that a Dump reads in one step
	batch     = 200 // commands about flows that are carried out in one step
	ordersMax = 1 << 16
)

// order queues a command.
func (w *pair) order(n *node, c *stack.Command) {
	o := order{verb: c.Verb, epoch: c.Epoch}
	switch c.Verb {
	case stack.Put, stack.Change, stack.Create, stack.Remove:
		o.flow, o.state = w.number(c.Key), append([]byte{}, c.State...)
	case stack.Commit, stack.Raise, stack.Lower:
		w.hear(&check.Fact{Kind: check.Asked, Node: n.Self, Name: c.Verb.String(), Value: uint64(c.Epoch)})
	}
	s := &n.work
	if s.next == len(s.orders) {
		s.orders, s.next = s.orders[:0], 0
	}
	s.orders = append(s.orders, o)
	if n.Host.Work == world.Never {
		n.Host.Work = w.Now + w.effort(o.verb)
	}
}

// effort draws how long a command takes.
func (w *pair) effort(v stack.Verb) time.Duration {
	most := w.opt.table
	switch v {
	case stack.Commit:
		most = w.opt.commit
	case stack.Raise, stack.Lower, stack.Announce:
		most = w.opt.address
	case stack.Dump:
		most = w.opt.dump
	}
	if w.Calm {
		most = min(most, effortCalm)
	}
	return w.UpTo(most)
}

// carryOut finishes the present command, and those about flows that follow it.
func (w *pair) carryOut(n *node) {
	s := &n.work
	for range batch {
		o := s.orders[s.next]
		if done := w.do(n, o); !done {
			n.Host.Work = w.Now + w.effort(o.verb)
			break
		}
		if n.stack == nil {
			return
		}
		s.next++
		if s.next == len(s.orders) {
			n.Host.Work = world.Never
			break
		}
		next := s.orders[s.next].verb
		if next != stack.Put && next != stack.Change && next != stack.Create && next != stack.Remove {
			n.Host.Work = w.Now + w.effort(next)
			break
		}
		n.Host.Work = w.Now + w.effort(next)
	}
	w.after(n)
}

// do carries one command out; it reports false for a Dump that goes on.
func (w *pair) do(n *node, o order) bool {
	k := &n.host
	switch o.verb {
	case stack.Put, stack.Change:
		k.table[o.flow] = o.state
	case stack.Create:
		if k.table[o.flow] == nil {
			k.table[o.flow] = o.state
		}
	case stack.Remove:
		k.table[o.flow] = nil
	case stack.Dump:
		return w.dump(n)
	case stack.Commit:
		w.answered(n, o)
		n.stack.Committed(w.read(n), o.epoch, &n.out)
	case stack.Raise:
		w.address(n, true)
		w.answered(n, o)
		w.took(n, check.ByCrash)
		n.stack.Raised(w.read(n), o.epoch, &n.out)
	case stack.Lower:
		w.givesUp(n)
		w.address(n, false)
		w.answered(n, o)
		n.stack.Lowered(w.read(n), o.epoch, &n.out)
	}
	return true
}

func (w *pair) answered(n *node, o order) {
	w.Did(o.verb.String()+" is done", n.Self, view.Member{})
	w.hear(&check.Fact{Kind: check.Answered, Node: n.Self, Name: o.verb.String(), Value: uint64(o.epoch)})
}

// dump reads a part of the table.
func (w *pair) dump(n *node) bool {
	s, now := &n.work, w.read(n)
	if s.missed == nil {
		s.missed = make([]time.Duration, w.opt.flows)
	}
	for end := min(s.dumped+chunk, w.opt.flows); s.dumped < end; s.dumped++ {
		state := n.host.table[s.dumped]
		miss := w.opt.blurred && w.Rng.IntN(20) == 0 && w.Now-s.missed[s.dumped] > missEvery && w.cached(n, s.dumped)
		if miss {
			s.missed[s.dumped] = w.Now
		}
		if state != nil && !miss {
			n.stack.Found(now, w.key(s.dumped), state, &n.out)
		}
	}
	if s.dumped < w.opt.flows {
		return false
	}
	s.dumped = 0
	n.stack.Dumped(w.Rng.IntN(10) != 0)
	return true
}

// missEvery is how long a Dump that has missed a flow misses it no more: what two
// readings in a row miss is gone.
const missEvery = 2 * time.Second

// cached says whether the cache that a table is compared with has a flow. A reading may
// miss only those: that it shows what nobody has told of is an assumption of the stack. A
// flow that is not told of would go unseen until its next packet.
func (w *pair) cached(n *node, number int) bool {
	if n.stack.Owning() {
		_, ok := n.stack.Proxy().State(w.key(number))
		return ok
	}
	_, ok := n.stack.Proxy().HeldState(n.stack.Active().ID, w.key(number))
	return ok
}

// underWay is how old a change must be for the successor of a planned handover to have it:
// a handover goes on when the last proof is 100 ms old. What is younger is a flow that the
// successor has, in the state before the change; a packet brings it up to date.
const underWay = 110 * time.Millisecond

// givesUp notes what the successor of a planned handover ought to have.
func (w *pair) givesUp(n *node) {
	if !w.Calm || !n.host.holds || n.stack.Role() != takeover.Draining {
		return
	}
	to := n.stack.Status(w.read(n)).Successor
	objects := slices.DeleteFunc(w.listed(n), func(o check.Object) bool {
		return w.Now-w.changed[w.number(o.Key)] < underWay
	})
	w.hear(&check.Fact{
		Kind: check.Pledged, Name: check.ByHandover, Node: n.Self, Peer: w.node(to).Self, Objects: objects,
	})
}

// took notes what the table of a node has that holds the addresses now.
func (w *pair) took(n *node, name string) {
	w.hear(&check.Fact{Kind: check.Took, Name: name, Node: n.Self, Objects: w.listed(n)})
}

func (w *pair) listed(n *node) []check.Object {
	var objects []check.Object
	for number, state := range n.host.table {
		if state != nil {
			objects = append(objects, check.Object{Key: w.key(number), State: state})
		}
	}
	return objects
}

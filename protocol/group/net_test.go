package group

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// net is a few members and a network between them, in virtual time. The streams are
// pretended: what a member holds are ranges that the test makes up, and a piece is fetched
// if its holder lives.
type net struct {
	t     *testing.T
	rng   *rand.Rand
	now   time.Time
	queue events
	nodes []*node
	seats []view.Seat
	all   bool
	disks map[view.ID]Standing // nil: the group is not durable
	loss  float64

	answered Standing // what is on more than half of the disks
	cut      map[[2]int]bool
	views    map[view.Name]string
	chain    map[view.Epoch]view.Name
	ends     map[string]view.Cut // what the members that go from one view to another delivered
	changes  int
	log      []string
}

type node struct {
	id      view.ID
	life    view.Member
	m       *Machine
	up      bool
	holding view.Cut
	done    view.Cut // delivered in the present view
	frozen  bool
	view    *view.View
	left    bool
	pieces  []view.Piece
	sees    map[view.ID]bool
}

type event struct {
	at  time.Time
	seq int
	do  func()
}
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any     { o := *e; x := o[len(o)-1]; *e = o[:len(o)-1]; return x }

var epoch0 = time.Unix(1_000_000_000, 0)

func newNet(t *testing.T, seed uint64, members int, all bool) *net {
	n := &net{t: t, rng: rand.New(rand.NewPCG(seed, 7)), now: epoch0, all: all, cut: map[[2]int]bool{},
		views: map[view.Name]string{}, chain: map[view.Epoch]view.Name{}, ends: map[string]view.Cut{}}
	for i := range members {
		n.seats = append(n.seats, view.Seat{Member: view.Member{ID: view.ID(i + 1)}, Votes: 1})
		n.nodes = append(n.nodes, &node{id: view.ID(i + 1)})
	}
	return n
}

func (n *net) after(d time.Duration, do func()) {
	n.changes++
	heap.Push(&n.queue, event{n.now.Add(d), n.changes, do})
}

func (n *net) boot(i int) {
	x := n.nodes[i]
	*x = node{id: x.id, life: view.Member{ID: x.id, Incarnation: view.Incarnation(n.now.UnixNano())}, up: true, sees: map[view.ID]bool{}}
	var err error
	x.m, err = New(Config{Self: x.life, Candidates: n.seats, Terms: "t", All: n.all, Durable: n.disks != nil, Pulse: 40 * time.Millisecond, Patience: 100 * time.Millisecond,
		Recorder: trace.RecorderFunc(func(e trace.Event) { n.log = append(n.log, e.String()) })}, n.rng)
	if err != nil {
		n.t.Fatal(err)
	}
	n.step(x, func(out *Output) {
		x.m.Join(n.now, out)
		x.m.Stand(n.now, n.disks[x.id], out)
	})
	life := x.life
	var beat func()
	beat = func() {
		if x.up && x.life == life {
			n.detect(x)
			n.after(20*time.Millisecond, beat)
		}
	}
	beat()
}

// detect is a detector that sees, with a delay, who is up and can be reached.
func (n *net) detect(x *node) {
	for _, y := range n.nodes {
		if y == x || !y.life.Known() {
			continue
		}
		y, life := y, y.life
		ok := y.up && !n.cut[[2]int{int(y.id), int(x.id)}]
		me := x.life
		n.after(time.Duration(50+n.rng.IntN(60))*time.Millisecond, func() {
			if x.up && x.life == me {
				n.step(x, func(out *Output) { x.m.Suspect(n.now, life, !ok, out) })
			}
		})
	}
}

func (n *net) step(x *node, fn func(out *Output)) {
	var out Output
	fn(&out)
	for i := 0; i < len(out.Do); i++ {
		n.obey(x, out.Do[i], &out)
	}
	for _, e := range out.Send {
		to := e.Members
		if e.To != view.Everyone {
			to = []view.ID{e.To}
		}
		for _, id := range to {
			n.send(x, id, append([]byte(nil), e.Frame...))
		}
	}
	life := x.life
	if d := x.m.Deadline(); !d.IsZero() {
		n.after(max(d.Sub(n.now), 0), func() {
			if x.up && x.life == life && !n.now.Before(x.m.Deadline()) {
				n.step(x, func(out *Output) { x.m.Tick(n.now, out) })
			}
		})
	}
}

func (n *net) send(x *node, to view.ID, frame []byte) {
	if n.rng.Float64() < n.loss {
		return
	}
	from := x.life
	n.after(time.Duration(200+n.rng.IntN(4000))*time.Microsecond, func() {
		y := n.nodes[to-1]
		if !y.up || n.cut[[2]int{int(from.ID), int(to)}] {
			return
		}
		_, payload, reason := wire.Open(frame)
		if reason != wire.OK {
			n.t.Fatal(reason)
		}
		n.step(y, func(out *Output) { y.m.Receive(n.now, from, payload[4:], out) })
	})
}

func (n *net) obey(x *node, c Command, out *Output) {
	n.log = append(n.log, fmt.Sprintf("%s %s does %d %v cut=%v", n.now.Format("15:04:05.000000"), x.life, c.Verb, c.View, c.Cut))
	switch c.Verb {
	case Freeze:
		x.frozen = true
		x.m.Frozen(n.now, x.holding.Union(nil), out)
	case Fill:
		x.pieces = c.Pieces
		n.fetch(x)
	case Install:
		n.installed(x, c)
	case Dismiss:
		x.view, x.holding, x.done, x.frozen = nil, nil, nil, false
		x.left = c.Reason == HasLeft
		x.m.Stand(n.now, n.disks[x.id], out)
	case Pledge:
		n.pledge(x, c.Era)
	}
}

// pledge puts a promise on a member's disk.
func (n *net) pledge(x *node, era view.Epoch) {
	life := x.life
	n.after(time.Duration(1+n.rng.IntN(20))*time.Millisecond, func() {
		if x.up && x.life == life {
			d := n.disks[x.id]
			d.Promise = max(d.Promise, era)
			n.disks[x.id] = d
			n.step(x, func(out *Output) { x.m.Pledged(n.now, era, out) })
		}
	})
}

// fetch gets pieces from their holders, if those are up.
func (n *net) fetch(x *node) {
	life := x.life
	n.after(time.Duration(1+n.rng.IntN(5))*time.Millisecond, func() {
		if !x.up || x.life != life || !x.frozen {
			return
		}
		missing := false
		for _, p := range x.pieces {
			h := n.nodes[p.Holder-1]
			want := make(view.Cut, p.Rank+1)
			want[p.Rank] = []view.Range{p.Range}
			if x.holding.Contains(want) {
				continue
			}
			if h.up && h.view != nil && x.view != nil && h.view.Name == x.view.Name && h.holding.Contains(want) && !n.cut[[2]int{int(h.id), int(x.id)}] {
				x.holding = x.holding.Union(want)
			} else {
				missing = true
			}
		}
		if !missing {
			n.step(x, func(out *Output) { x.m.Filled(n.now, out) })
		}
	})
}

// installed judges a new view.
func (n *net) installed(x *node, c Command) {
	if was, ok := n.views[c.View.Name]; ok && was != c.View.String() {
		n.fail("%v installs %v; others have %v", x.life, c.View, was)
	}
	n.views[c.View.Name] = c.View.String()
	if !c.View.Has(x.life) {
		n.fail("%v is not in its own view %v", x.life, c.View)
	}
	if !n.all {
		if was, ok := n.chain[c.View.Name.Epoch]; ok && was != c.View.Name {
			n.fail("epoch %d has two views, %v and %v", c.View.Name.Epoch, was, c.View.Name)
		}
		n.chain[c.View.Name.Epoch] = c.View.Name
	}
	if x.view != nil {
		if !x.holding.Contains(c.Cut) {
			n.fail("%v installs %v and lacks some of its cut: has %v, wants %v", x.life, c.View, x.holding, c.Cut)
		}
		if !c.Cut.Contains(x.done) {
			n.fail("%v has delivered more than the cut of %v: %v, cut %v", x.life, c.View, x.done, c.Cut)
		}
		way := x.view.Name.String() + ">" + c.View.Name.String()
		if was, ok := n.ends[way]; ok && !was.Equal(c.Cut) {
			n.fail("%v goes %s with another cut: %v and %v", x.life, way, c.Cut, was)
		}
		n.ends[way] = c.Cut
	}
	if n.disks != nil && n.disks[x.id].Era != c.Era {
		if first := n.disks[c.View.Seats[0].ID]; first.Less(n.answered) {
			n.fail("%v begins with %+v, and %+v was answered", c.View, first, n.answered)
		}
		n.disks[x.id] = Standing{c.Era, c.Era, n.disks[c.View.Seats[0].ID].Index} // as it is given
	}
	x.view, x.frozen, x.left = c.View, false, false
	x.holding, x.done = make(view.Cut, len(c.View.Seats)), make(view.Cut, len(c.View.Seats))
	n.traffic(x)
}

// traffic makes members hold packets of the view, not all of them the same.
func (n *net) traffic(x *node) {
	life, v := x.life, x.view
	n.after(time.Duration(n.rng.IntN(30))*time.Millisecond, func() {
		if !x.up || x.life != life || x.view != v {
			return
		}
		if !x.frozen {
			rank := v.Rank(x.id)
			x.holding[rank] = []view.Range{{From: 1, To: x.holding.Prefix(rank) + 1}}
			for _, y := range n.nodes {
				if y.up && y.view != nil && y.view.Name == v.Name && !y.frozen && n.rng.IntN(3) > 0 {
					y.holding[rank] = x.holding.Union(nil)[rank]
				}
			}
			x.done = x.holding.Union(nil)
		}
		n.traffic(x)
	})
}

func (n *net) fail(format string, args ...any) {
	n.t.Helper()
	from := max(0, len(n.log)-80)
	for _, l := range n.log[from:] {
		n.t.Log(l)
	}
	n.t.Fatalf("at %v: %s", n.now.Sub(epoch0), fmt.Sprintf(format, args...))
}

func (n *net) run(d time.Duration) {
	end := n.now.Add(d)
	for len(n.queue) > 0 && !n.queue[0].at.After(end) {
		e := heap.Pop(&n.queue).(event)
		n.now = e.at
		e.do()
	}
	n.now = end
}

// together says whether all that are up and want to are in one view of just them.
func (n *net) together() bool {
	var v *view.View
	up := 0
	for _, x := range n.nodes {
		if !x.up || x.left {
			continue
		}
		up++
		if x.view == nil || x.frozen || v != nil && v.Name != x.view.Name {
			return false
		}
		v = x.view
	}
	return up == 0 || v != nil && len(v.Seats) == up
}

func (n *net) settle(within time.Duration) {
	n.t.Helper()
	for range int(within / (50 * time.Millisecond)) {
		n.run(50 * time.Millisecond)
		if n.together() {
			return
		}
	}
	for _, x := range n.nodes {
		n.log = append(n.log, fmt.Sprintf("%v up=%v left=%v view=%v %+v", x.life, x.up, x.left, x.view, x.m.Status(n.now)))
	}
	n.fail("not together after %v", within)
}

func TestMembersFoundAGroupAndOneLeaves(t *testing.T) {
	for _, all := range []bool{false, true} {
		n := newNet(t, 1, 3, all)
		for i := range n.nodes {
			n.boot(i)
		}
		n.settle(2 * time.Second)
		x := n.nodes[0]
		n.step(x, func(out *Output) { x.m.Leave(n.now, out) })
		n.settle(2 * time.Second)
		if !x.left || len(n.nodes[1].view.Seats) != 2 {
			t.Errorf("all=%v: left=%v, the others are in %v", all, x.left, n.nodes[1].view)
		}
	}
}

func TestChaos(t *testing.T) {
	seeds := 150
	if testing.Short() {
		seeds = 20
	}
	for seed := range uint64(seeds) {
		members := 3 + int(seed%4)
		n := newNet(t, seed, members, seed%3 == 2)
		n.loss = []float64{0, 0.02, 0.2}[seed%3]
		for i := range n.nodes {
			n.boot(i)
		}
		n.run(time.Second)
		for range 25 {
			n.fault()
			n.run(time.Duration(n.rng.IntN(400)) * time.Millisecond)
		}
		clear(n.cut)
		n.loss = 0
		for i, x := range n.nodes {
			if !x.up {
				n.boot(i)
			}
		}
		n.settle(15 * time.Second)
	}
}

// fault does one thing that may go wrong. A minority at most has lost its memory at a time.
func (n *net) fault() {
	i := n.rng.IntN(len(n.nodes))
	x := n.nodes[i]
	lost := 0
	for _, y := range n.nodes {
		if !y.up || y.view == nil {
			lost++
		}
	}
	switch n.rng.IntN(6) {
	case 0:
		if x.up && x.view != nil && 2*(lost+1) < len(n.nodes) {
			x.up = false
		}
	case 1:
		if !x.up {
			n.boot(i)
		}
	case 2, 3:
		j := n.rng.IntN(len(n.nodes))
		n.cut[[2]int{i + 1, j + 1}] = true
		if n.rng.IntN(2) == 0 {
			n.cut[[2]int{j + 1, i + 1}] = true
		}
	case 4:
		clear(n.cut)
	case 5:
		for j := range n.nodes {
			for k := range n.nodes {
				if j%2 != k%2 {
					n.cut[[2]int{j + 1, k + 1}] = true
				}
			}
		}
	}
}

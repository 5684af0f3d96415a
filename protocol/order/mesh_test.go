package order

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// mesh is members of one view, and between any two a stream of records that arrives in
// order, some time. It stands for protocol/cast.
type mesh struct {
	rng   *rand.Rand
	view  *view.View
	nodes []*node
	now   time.Time
	multi int             // multicasts so far
	busy  int             // who sends more than the others, at first; -1 for nobody
	slow  map[[2]int]bool // from and to whom records take longer
	wrong string          // a payload that was changed before it was delivered
	full  bool            // streams refuse control records now and then
}

// node is a member, its stream, and what it has of the others'.
type node struct {
	rank    int
	witness bool
	m       *Machine
	sent    []record // its stream
	flushed uint64   // the last packet that has left
	early   []map[int]bool
	have    []int // by rank, how many records of the stream are here in order
	log     []delivered
	memory  [][]record // by rank, what is not released
	casts   []cast
	dead    bool
	out     Output
}

type record struct {
	first, last uint64
	data        []byte
	loose       bool // may come early
}

// cast is a message that was multicast, and what its sender had done before.
type cast struct {
	order  Order
	causes []id // causal messages delivered or sent before
	chain  int  // FIFO or stronger messages sent before
}

type id struct {
	rank   int
	number uint64
}

type delivered struct {
	id
	order Order
}

func newMesh(t testing.TB, rng *rand.Rand, engine Engine, members, witnesses int) *mesh {
	c := &mesh{rng: rng, now: time.Unix(0, 0), slow: map[[2]int]bool{}, view: &view.View{Name: view.Name{Epoch: 1, By: 1}}}
	for i := range members + witnesses {
		c.view.Seats = append(c.view.Seats, view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 1}, Votes: 1})
	}
	for range witnesses {
		for {
			if s := &c.view.Seats[rng.IntN(members+witnesses)]; !s.Witness {
				s.Witness = true
				break
			}
		}
	}
	for i, seat := range c.view.Seats {
		m, err := New(Config{Self: seat.Member, Engine: engine}, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.span = 8
		n := newNode(m, i, len(c.view.Seats))
		n.witness = seat.Witness
		m.Install(c.now, c.view)
		c.nodes = append(c.nodes, n)
	}
	c.full = rng.IntN(2) == 0
	if c.busy = -1; rng.IntN(2) == 0 {
		c.busy = rng.IntN(members)
	}
	mute := rng.IntN(2 * len(c.nodes)) // in half of the runs there is nobody of this rank
	for from := range c.nodes {
		for to := range c.nodes {
			c.slow[[2]int{from, to}] = from == mute || rng.IntN(4) == 0
		}
	}
	return c
}

func newNode(m *Machine, rank, seats int) *node {
	n := &node{rank: rank, m: m, have: make([]int, seats), memory: make([][]record, seats), early: make([]map[int]bool, seats)}
	for k := range n.early {
		n.early[k] = map[int]bool{}
	}
	return n
}

// submit puts a record into a member's stream and gives it to the member itself.
func (c *mesh) submit(n *node, data []byte, loose bool) {
	r := record{first: 1, last: 1, data: append([]byte(nil), data...), loose: loose}
	if len(n.sent) > 0 { // share the last packet, begin a new one, or take several
		r.first = max(n.sent[len(n.sent)-1].last+uint64(c.rng.IntN(2)), n.flushed+1)
		r.last = r.first + uint64(max(0, c.rng.IntN(5)-2))
	}
	n.sent = append(n.sent, r)
	n.have[n.rank]++
	c.receive(n, n.rank, r, false)
}

// step lets a member do all it can, and notes what it delivered.
func (c *mesh) step(n *node) {
	for {
		n.m.Step(c.now, &n.out)
		c.note(n)
		if len(n.out.Submit) == 0 {
			n.out.Reset()
			if len(n.sent) > 0 {
				n.flushed = n.sent[len(n.sent)-1].last
			}
			c.reuse(n)
			return
		}
		var records [][]byte
		for _, r := range n.out.Submit {
			records = append(records, append([]byte(nil), r...))
		}
		n.out.Reset()
		refused := false
		for _, r := range records {
			if refused = refused || c.full && c.rng.IntN(8) == 0; !refused {
				c.submit(n, r, false)
			}
		}
		if c.note(n); refused {
			return
		}
	}
}

func (c *mesh) note(n *node) {
	for _, d := range n.out.Deliver {
		if want := fmt.Sprintf("%d/%d/%d", d.Rank, d.Number, d.Order); string(d.Payload) != want {
			c.wrong = fmt.Sprintf("member %d delivered %q as the payload of %s", n.rank, d.Payload, want)
		}
		n.log = append(n.log, delivered{id{d.Rank, d.Number}, d.Order})
	}
	clear(n.out.Deliver)
	n.out.Deliver = n.out.Deliver[:0]
}

// reuse does what the streams do with packets that a member has released: it uses their memory again.
func (c *mesh) reuse(n *node) {
	for rank := range c.nodes {
		kept, released := n.memory[rank][:0], n.m.Released(rank)
		for _, r := range n.memory[rank] {
			if r.last > released {
				kept = append(kept, r)
				continue
			}
			for i := range r.data {
				r.data[i] = 0xee
			}
		}
		n.memory[rank] = kept
	}
}

// receive gives a member its own copy of a record.
func (c *mesh) receive(n *node, rank int, r record, early bool) {
	r.data = append([]byte(nil), r.data...)
	n.memory[rank] = append(n.memory[rank], r)
	n.m.Receive(c.now, rank, r.first, r.last, early, r.data, nil, &n.out)
}

func (c *mesh) multicast(n *node, o Order) {
	p := cast{order: o}
	for _, d := range n.log {
		if d.order&causal != 0 {
			p.causes = append(p.causes, d.id)
		}
	}
	for i, e := range n.casts {
		if e.order&causal != 0 {
			p.causes = append(p.causes, id{n.rank, uint64(i + 1)})
		}
		if e.order&FIFO != 0 {
			p.chain++
		}
	}
	n.casts = append(n.casts, p)
	number := uint64(len(n.casts))
	c.multi++
	data := n.m.Encode(nil, o, number, fmt.Appendf(nil, "%d/%d/%d", n.rank, number, o))
	c.submit(n, data, o&(FIFO|Total) == 0)
	c.note(n)
}

// hand gives a member the next record of a stream that it lacks, or a later one that may come early.
func (c *mesh) hand(n, from *node, skip int) {
	at := n.have[from.rank]
	if skip > 0 {
		if at+skip < len(from.sent) && from.sent[at+skip].loose && from.sent[at].last < from.sent[at+skip].first {
			c.handEarly(n, from, at+skip)
		}
		return
	}
	if at < len(from.sent) {
		r := from.sent[at]
		n.have[from.rank]++
		if !n.early[from.rank][at] {
			c.receive(n, from.rank, r, false)
		}
	}
	c.note(n)
}

func (c *mesh) handEarly(n, from *node, at int) {
	if r := from.sent[at]; !n.early[from.rank][at] {
		n.early[from.rank][at] = true
		c.receive(n, from.rank, r, true)
		c.note(n)
	}
}

// prefix is the last packet of a stream of which, and of all before, a member has every record.
func (n *node) prefix(from *node) uint64 {
	have := n.have[from.rank]
	if have == 0 {
		return 0
	}
	last := from.sent[have-1].last
	if have < len(from.sent) && from.sent[have].last == last {
		return last - 1
	}
	return last
}

// agree tells a member what enough members hold of a stream.
func (c *mesh) agree(n, from *node) {
	best := uint64(0)
	for _, h := range c.nodes {
		p, votes := h.prefix(from), 0
		for _, o := range c.nodes {
			if !o.witness && o.prefix(from) >= p {
				votes += int(c.view.Seats[o.rank].Votes)
			}
		}
		if votes >= c.view.HoldQuorum() {
			best = max(best, p)
		}
	}
	n.m.Agreed(from.rank, best)
}

// members are those that have streams.
func (c *mesh) members() (list []*node) {
	for _, n := range c.nodes {
		if !n.witness {
			list = append(list, n)
		}
	}
	return list
}

// calm hands everything over until nobody has anything to do.
func (c *mesh) calm() {
	c.full = false
	for busy := true; busy; {
		busy = false
		for _, n := range c.members() {
			for _, from := range c.members() {
				for n.have[from.rank] < len(from.sent) {
					c.hand(n, from, 0)
					busy = true
				}
			}
		}
		for _, n := range c.members() {
			for _, from := range c.members() {
				c.agree(n, from)
			}
			was := len(n.sent)
			c.step(n)
			busy = busy || len(n.sent) > was
		}
	}
}

var orders = []Order{0, FIFO, Causal, Total, FIFO | Total, Causal | Total,
	Uniform, FIFO | Uniform, Causal | Uniform, Total | Uniform, FIFO | Total | Uniform, Causal | Total | Uniform}

// act does one thing by chance.
func (c *mesh) act(multicasts int, pick []Order) {
	list := c.members()
	n, from := list[c.rng.IntN(len(list))], list[c.rng.IntN(len(list))]
	switch c.rng.IntN(8) {
	case 0, 1:
		if c.multi < multicasts {
			if c.busy >= 0 && c.rng.IntN(12) > 0 {
				n = list[(c.busy+c.multi/100)%len(list)]
			}
			c.multicast(n, pick[c.rng.IntN(len(pick))])
		}
	case 2, 3, 4:
		if c.slow[[2]int{from.rank, n.rank}] && c.rng.IntN(25) > 0 {
			break
		}
		for range c.rng.IntN(6) {
			c.hand(n, from, 0)
		}
	case 5:
		c.hand(n, from, 1+c.rng.IntN(4))
		c.note(n)
	case 6:
		c.agree(n, from)
	}
	c.step(n)
}

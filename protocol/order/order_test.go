package order

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

var engines = []Engine{Sequencer, Lamport, ISIS}

// TestMixed: members multicast with all orders mixed, over streams with delays by chance. All orders
// hold at all times, and when the streams have brought everything, everything is delivered.
func TestMixed(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.String(), func(t *testing.T) {
			moves := uint64(0)
			for seed := range uint64(mixedSeeds) {
				c, verdict := mixed(t, engine, seed)
				if verdict != "" {
					t.Fatalf("seed %d: %s", seed, verdict)
				}
				if q, ok := c.members()[0].m.engine.(*sequencer); ok {
					moves += q.turn
				}
			}
			if engine == Sequencer && moves == 0 {
				t.Error("the sequencer never moved")
			}
		})
	}
}

const mixedSeeds = 150

func mixed(t testing.TB, engine Engine, seed uint64) (*mesh, string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	members := 1 + int(seed%9)
	c := newMesh(t, rng, engine, members, rng.IntN(2))
	pick := orders
	if seed%3 == 0 {
		pick = []Order{orders[rng.IntN(12)], orders[rng.IntN(12)], Causal | Total}
	}
	for range 1500 {
		c.act(400, pick)
	}
	if verdict := c.verdict(false); verdict != "" {
		return c, verdict
	}
	c.calm()
	return c, c.verdict(true)
}

// verdict judges all members; whole: everything must be delivered.
func (c *mesh) verdict(whole bool) string {
	list := c.members()
	for _, n := range list {
		if why := c.judge(n); why != "" {
			return why
		}
		if why := judgePrefix(list[0], n, whole); why != "" {
			return why
		}
		if whole && len(n.log) != c.multi {
			why := fmt.Sprintf("member %d delivered %d of %d", n.rank, len(n.log), c.multi)
			n.m.Held(func(h Held) bool { why += fmt.Sprintf("\n%+v", h); return true })
			return why
		}
		for rank, from := range c.nodes {
			if !from.witness && whole && n.m.Released(rank) != n.prefix(from) {
				return fmt.Sprintf("member %d has released %d of %d packets of %d", n.rank, n.m.Released(rank), n.prefix(from), rank)
			}
		}
	}
	return ""
}

// TestClose: streams are cut at random places, each member having received different amounts;
// some members are gone. Those that stay get all that any of them has, and close the view.
func TestClose(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.String(), func(t *testing.T) {
			for seed := range uint64(closeSeeds) {
				if verdict := closed(t, engine, seed); verdict != "" {
					t.Fatalf("seed %d: %s", seed, verdict)
				}
			}
		})
	}
}

const closeSeeds = 600

func closed(t testing.TB, engine Engine, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 2))
	c := newMesh(t, rng, engine, 1+int(seed%9), rng.IntN(2))
	pick := orders
	if seed%4 == 0 {
		pick = []Order{Causal | Total, Causal | Total | Uniform, orders[rng.IntN(12)]}
	}
	for range 100 + rng.IntN(900) {
		c.act(300, pick)
	}
	stay := c.survivors()
	c.union(stay)
	for _, n := range stay {
		n.m.Close(c.now, &n.out)
		c.note(n)
		n.m.Held(func(h Held) bool { t.Errorf("held after Close: %+v", h); return true })
		if why := c.judge(n); why != "" {
			return why
		}
		if why := judgePrefix(stay[0], n, true); why != "" {
			return why
		}
		if why := sameSet(stay[0], n); why != "" {
			return why
		}
		if len(n.casts) != own(n) {
			return fmt.Sprintf("member %d delivered %d of its own %d", n.rank, own(n), len(n.casts))
		}
	}
	for _, n := range c.members() {
		if !n.dead {
			continue
		}
		if why := c.judge(n); why != "" {
			return why
		}
		if why := judgeUniform(n, stay[0]); why != "" {
			return why
		}
	}
	return c.again(stay)
}

// again lets those that stayed go on in a next view, with the same machines.
func (c *mesh) again(stay []*node) string {
	next := &mesh{rng: c.rng, now: c.now, busy: -1, view: &view.View{Name: view.Name{Epoch: 2, By: 1}}}
	for rank, n := range stay {
		next.view.Seats = append(next.view.Seats, c.view.Seats[n.rank])
		next.nodes = append(next.nodes, newNode(n.m, rank, len(stay)))
	}
	for _, n := range next.nodes {
		n.m.Stall(false)
		n.m.Install(next.now, next.view)
	}
	for range 200 {
		next.act(60, orders)
	}
	next.calm()
	return next.verdict(true)
}

// survivors are members with a quorum of votes, by chance, at least one of them not a witness.
func (c *mesh) survivors() (stay []*node) {
	for {
		votes := 0
		stay = stay[:0]
		for _, n := range c.nodes {
			if n.dead = c.rng.IntN(3) == 0; n.dead {
				continue
			}
			votes += int(c.view.Seats[n.rank].Votes)
			if !n.witness {
				stay = append(stay, n)
			}
		}
		if votes >= c.view.Quorum() && len(stay) > 0 {
			return stay
		}
	}
}

// union gives those that stay what any of them has; some receive it in steps.
func (c *mesh) union(stay []*node) {
	for _, from := range c.members() {
		most := 0
		early := map[int]bool{}
		for _, n := range stay {
			most = max(most, n.have[from.rank])
			for i := range n.early[from.rank] {
				early[i] = true
			}
		}
		for _, n := range stay {
			for n.have[from.rank] < most {
				c.hand(n, from, 0)
			}
			for i := range from.sent {
				if early[i] && i >= most {
					c.handEarly(n, from, i)
				}
			}
		}
	}
	for _, n := range stay {
		if c.rng.IntN(2) == 0 {
			n.m.Stall(true)
			n.m.Step(c.now, &n.out)
			c.note(n)
		}
	}
}

func own(n *node) (count int) {
	for _, d := range n.log {
		if d.rank == n.rank {
			count++
		}
	}
	return count
}

func sameSet(a, b *node) string {
	at := map[id]bool{}
	for _, d := range a.log {
		at[d.id] = true
	}
	for _, d := range b.log {
		if !at[d.id] {
			return fmt.Sprintf("member %d delivered %v, member %d did not", b.rank, d.id, a.rank)
		}
	}
	if len(a.log) != len(b.log) {
		return fmt.Sprintf("member %d delivered %d, member %d delivered %d", a.rank, len(a.log), b.rank, len(b.log))
	}
	return ""
}

func rngFor(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 3)) }

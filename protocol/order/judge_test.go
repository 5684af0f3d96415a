package order

import "fmt"

// judge looks at what one member delivered: the first breach of integrity, of what the sender
// multicast before, or of what the sender had delivered.
func (c *mesh) judge(n *node) string {
	if c.wrong != "" {
		return c.wrong
	}
	at := map[id]int{}
	for i, d := range n.log {
		if _, twice := at[d.id]; twice {
			return fmt.Sprintf("member %d delivered %v twice", n.rank, d.id)
		}
		at[d.id] = i
	}
	chains := make([]int, len(c.nodes))
	for i, d := range n.log {
		p := c.nodes[d.rank].casts[d.number-1]
		if p.order != d.order {
			return fmt.Sprintf("member %d: %v has order %v, was multicast with %v", n.rank, d.id, d.order, p.order)
		}
		if d.order&FIFO != 0 {
			if chains[d.rank] != p.chain {
				return fmt.Sprintf("fifo: member %d delivered %v after %d messages of its chain, not %d", n.rank, d.id, chains[d.rank], p.chain)
			}
			chains[d.rank]++
		}
		if d.order&causal != 0 {
			for _, before := range p.causes {
				if j, there := at[before]; !there || j > i {
					return fmt.Sprintf("causal: member %d delivered %v before %v", n.rank, d.id, before)
				}
			}
		}
	}
	return ""
}

func (n *node) totals() (list []delivered) {
	for _, d := range n.log {
		if d.order&Total != 0 {
			list = append(list, d)
		}
	}
	return list
}

// judgePrefix compares total orders: one must be the beginning of the other, and the same if whole.
func judgePrefix(a, b *node, whole bool) string {
	x, y := a.totals(), b.totals()
	if whole && len(x) != len(y) {
		return fmt.Sprintf("total: member %d delivered %d, member %d delivered %d", a.rank, len(x), b.rank, len(y))
	}
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("total: place %d is %v at member %d and %v at member %d", i, x[i], a.rank, y[i], b.rank)
		}
	}
	return ""
}

// judgeUniform: what a member that is gone delivered as uniform, one that stayed delivered, and a uniform total
// message stands in the same order to every other that both delivered.
func judgeUniform(gone, stayed *node) string {
	at := map[id]int{}
	for i, d := range stayed.log {
		at[d.id] = i
	}
	for i, d := range gone.log {
		j, there := at[d.id]
		if d.order&Uniform != 0 && !there {
			return fmt.Sprintf("uniform: %v (%v) was delivered by member %d, that is gone, and not by %d", d.id, d.order, gone.rank, stayed.rank)
		}
		for k, e := range gone.log[:i] {
			l, both := at[e.id]
			if there && both && d.order&e.order&Total != 0 && (d.order|e.order)&Uniform != 0 && (i < k) != (j < l) {
				return fmt.Sprintf("uniform: %v and %v changed places between member %d, that is gone, and %d", d.id, e.id, gone.rank, stayed.rank)
			}
		}
	}
	return ""
}

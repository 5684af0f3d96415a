package cohort

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// TestWhatOneMessageCosts compares what one message alone costs in a group of n with the
// table of docs/guides/groups.md: packets to all, acknowledgements to all, and how many
// message times pass until the last member has delivered it. Member 0 is the sequencer.
func TestWhatOneMessageCosts(t *testing.T) {
	const uniform = order.Uniform
	for _, c := range []struct {
		name   string
		engine order.Engine
		order  order.Order
		sender int
		cost   func(n int) (packets, acks, times int)
	}{
		{"fifo", order.Sequencer, order.FIFO, 1, func(n int) (int, int, int) { return 1, n, 1 }},
		{"causal", order.ISIS, order.Causal, 1, func(n int) (int, int, int) { return 1, n, 1 }},
		{"sequencer, by it", order.Sequencer, order.Total, 0, func(n int) (int, int, int) { return 1, n, 1 }},
		{"sequencer, by another", order.Sequencer, order.Total, 1, func(n int) (int, int, int) { return 2, n, 2 }},
		{"lamport", order.Lamport, order.Total, 1, func(n int) (int, int, int) { return n, 2 * n, 2 }},
		{"isis", order.ISIS, order.Total, 1, func(n int) (int, int, int) { return n, n, 2 }},
		{"uniform", order.Sequencer, order.FIFO | uniform, 1, func(n int) (int, int, int) { return 1, n, 2 }},
		{"uniform sequencer, by it", order.Sequencer, order.Total | uniform, 0, func(n int) (int, int, int) { return 1, n, 2 }},
		{"uniform sequencer, by another", order.Sequencer, order.Total | uniform, 1, func(n int) (int, int, int) { return 2, 2 * n, 3 }},
		{"uniform lamport", order.Lamport, order.Total | uniform, 1, func(n int) (int, int, int) { return n, n * n, 2 }},
		{"uniform isis", order.ISIS, order.Total | uniform, 1, func(n int) (int, int, int) { return n, n * n, 3 }},
	} {
		for _, n := range []int{3, 5, 9} {
			packets, acks, times := measure(t, n, c.engine, c.order, c.sender)
			wantPackets, wantAcks, wantTimes := c.cost(n)
			if packets != wantPackets || acks > wantAcks || times != wantTimes {
				t.Errorf("%s, %d members: %d packets, %d acknowledgements, %d message times; the table says %d, at most %d, %d",
					c.name, n, packets, acks, times, wantPackets, wantAcks, wantTimes)
			}
		}
	}
}

// measure multicasts one message alone and counts what is sent to all because of it.
func measure(t *testing.T, n int, e order.Engine, o order.Order, sender int) (packets, acks, times int) {
	const messageTime = 200 * time.Microsecond
	var sent [4]int // by the kind of docs/rfc/0007-cast.md
	var last time.Time
	m := newMesh(t, n, GroupConfig{Name: "g", Engine: e})
	m.delay = func(_ *station, _ view.ID, frame []byte) time.Duration {
		if h, payload, _ := wire.Open(frame); h.Channel == wire.Cast {
			sent[payload[0]]++
		}
		return messageTime
	}
	for i := range n {
		m.nodes[i].deliver = func(d *Delivery) {
			if d.Kind == Message {
				last = m.now
			}
		}
		m.boot(i)
	}
	m.run(time.Second)
	sent = [4]int{}
	begun := m.now
	m.nodes[sender].step(func(out *Output) { m.nodes[sender].group.Multicast(m.now, o, []byte("x"), out) })
	m.run(time.Second)
	return sent[1] / (n - 1), sent[2] / (n - 1), int(last.Sub(begun) / messageTime)
}

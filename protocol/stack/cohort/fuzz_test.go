package cohort

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive: whatever one member sends, in any state of the group, nothing panics at
// another. Frames get a good header, and the group's key where it belongs.
func FuzzReceive(f *testing.F) {
	// Seeds are frames as they come: those of a group that is founded, gives a state,
	// multicasts and loses a member.
	seen := map[[2]byte]int{}
	m := newMesh(f, 3, GroupConfig{Name: "g", Stateful: true})
	m.delay = func(_ *station, _ view.ID, frame []byte) time.Duration {
		h, payload, _ := wire.Open(frame)
		if key := [2]byte{byte(h.Channel), payload[verbAt(h.Channel)]}; seen[key] < 3 {
			seen[key]++
			f.Add(byte(h.Channel), append([]byte(nil), payload...), uint8(seen[key]))
		}
		return 200 * time.Microsecond
	}
	m.boot(0)
	m.boot(1)
	m.run(500 * time.Millisecond)
	m.nodes[1].multicast(order.Causal|order.Total|order.Uniform, "one")
	m.boot(2)
	m.run(500 * time.Millisecond)
	m.nodes[1].multicast(order.Total, "two")
	m.nodes[1].up = false
	m.run(500 * time.Millisecond)

	f.Fuzz(func(t *testing.T, channel byte, payload []byte, stage uint8) {
		if len(payload) > wire.FrameMax-wire.HeaderSize {
			return
		}
		m := newMesh(t, 3, GroupConfig{Name: "g", Stateful: stage&1 != 0, All: stage&2 != 0, Engine: order.Engine(stage>>2) % 3})
		for i := range m.nodes {
			m.nodes[i].deliver = func(*Delivery) {}
			m.boot(i)
		}
		m.run(time.Duration(stage>>5) * 100 * time.Millisecond)
		x, y := m.nodes[0], m.nodes[1]
		for i := range 3 {
			o := []order.Order{order.Total, order.Causal | order.Uniform, 0}[i]
			y.step(func(out *Output) { y.group.Multicast(m.now, o, []byte("text"), out) })
		}
		m.run(time.Millisecond / 2)
		if stage&16 != 0 {
			y.up = false
			m.run(100 * time.Millisecond)
		}
		body := append([]byte(nil), payload...)
		c := wire.Channel(channel%4) + wire.Detect
		if at := groupAt(c); c != wire.Detect && len(body) >= at+4 {
			binary.BigEndian.PutUint32(body[at:], x.group.key)
		}
		frame := append(wire.Begin(nil, wire.Header{Channel: c}), body...)
		wire.Finish(frame)
		for _, from := range []view.Member{y.life, {ID: 3, Incarnation: 1 << 62}, {ID: 7, Incarnation: 1}} {
			x.step(func(out *Output) { x.node.Receive(m.now, from, 1, frame, out) })
		}
		x.step(func(out *Output) { x.node.Receive(m.now, y.life, 1, payload, out) })
		m.run(300 * time.Millisecond)
	})
}

// verbAt is where a message of a channel says which one it is.
func verbAt(c wire.Channel) int {
	if c == wire.Group {
		return 4
	}
	return 0
}

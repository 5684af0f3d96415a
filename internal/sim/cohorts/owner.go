package cohorts

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// owner is the program that is in one group by way of one process. Its state is what it
// has delivered.
type owner struct {
	n       *node
	number  int // of the group
	group   *cohort.Group
	willing bool
	view    *view.View
	blocked bool
	state   []group.Entry

	owed      []owed               // states that the group asked for
	snapshots map[view.Name][]byte // what joiners are given
	incoming  []byte
	waits     time.Duration // since when no message was taken
	throttled bool

	mine   []bool // its messages, by number less one: delivered to it, given with a state, or lost
	open   int    // how many are none of these
	inView int    // messages delivered in the view
}

func (o *owner) hear(f group.Fact) {
	f.Node = o.n.Self
	o.n.w.hear(o.number, &f)
}

// join asks to be let in. A step of the node must follow.
func (o *owner) join() {
	w := o.n.w
	cfg := w.opt.groups[o.number]
	if o.n.misfit {
		cfg.MessageMax--
	}
	g, err := o.n.cohort.Join(w.Read(&o.n.Host), cfg, &o.n.out)
	if err != nil {
		panic(fmt.Sprintf("cohorts: a drawn group is refused: %v", err))
	}
	o.group, o.willing = g, true
	o.hear(group.Fact{Kind: group.Joined})
}

// rejoin comes in again: the next life does.
func (o *owner) rejoin() {
	if o.n.w.mayFall(o.n) {
		o.n.crash("exits")
		o.n.boot()
	}
}

// leave asks to be let out.
func (o *owner) leave() {
	w := o.n.w
	w.Did(fmt.Sprintf("leaves group %d", o.number+1), o.n.Self, view.Member{})
	o.throttle(false)
	o.willing = false
	o.hear(group.Fact{Kind: group.Left})
	o.group.Leave(w.Read(&o.n.Host), &o.n.out)
	o.n.after()
}

// throttle lets the owner take nothing, or go on.
func (o *owner) throttle(on bool) {
	if o.group != nil && o.throttled != on {
		o.throttled = on
		o.group.Throttle(on)
	}
}

// settle ends what the owner does against the group.
func (o *owner) settle() {
	o.throttle(false)
	o.pay()
	if o.group == nil && o.n.w.Rng.IntN(2) == 0 {
		o.rejoin()
		return
	}
	o.n.after()
}

// send multicasts. A step of the node must follow.
func (o *owner) send(messages int) {
	w := o.n.w
	if o.group == nil || !o.willing || o.n.witness {
		return
	}
	for range messages {
		size := 1 + w.Rng.IntN(60)
		if w.Rng.Float64() < w.opt.large {
			size = 1 + w.Rng.IntN(largest)
		}
		o.multicast(w.opt.orders[w.Rng.IntN(len(w.opt.orders))], size)
	}
	if w.Rng.IntN(100) == 0 {
		if _, ok := o.group.Multicast(w.Read(&o.n.Host), order.FIFO, make([]byte, largest+1), &o.n.out); ok {
			panic("cohorts: a message was taken that is too long")
		}
	}
}

// probe multicasts one message of each order, after calm.
func (o *owner) probe() {
	if o.group == nil || !o.willing || o.n.witness {
		return
	}
	for f := range order.Causal + order.Total + order.Uniform + 1 {
		if f.Valid() {
			o.multicast(f, 1+o.n.w.Rng.IntN(3000))
		}
	}
	o.n.after()
}

// multicast multicasts one message, if it is taken.
func (o *owner) multicast(f order.Order, size int) {
	w := o.n.w
	p := w.payload[:0]
	for len(p) < size {
		p = binary.LittleEndian.AppendUint64(p, w.Rng.Uint64())
	}
	w.payload = p
	p = p[:size]
	number, ok := o.group.Multicast(w.Read(&o.n.Host), f, p, &o.n.out)
	if !ok {
		o.waits = min(o.waits, w.Now)
		o.hear(group.Fact{Kind: group.Refused, Since: w.Now - o.waits})
		return
	}
	w.sent++
	o.waits = world.Never
	o.open++
	o.mine = append(o.mine, false)
	o.hear(group.Fact{Kind: group.Multicast, Number: number, Order: group.Order(f), Sum: w.sum(p), Size: size})
}

// deliver takes one delivery. What the owner does because of it comes later.
func (o *owner) deliver(d *cohort.Delivery) {
	switch d.Kind {
	case cohort.Viewed:
		o.n.w.views++
		if latest := &o.n.w.latest[o.number]; *latest == nil || (*latest).Name.Less(d.View.Name) {
			*latest = d.View
		}
		o.view, o.blocked, o.inView = d.View, false, 0
		o.hear(group.Fact{Kind: group.Viewed, View: d.View, Members: d.Former})
	case cohort.Message:
		o.message(d)
	case cohort.Blocked, cohort.Unblocked:
		o.blocked = d.Kind == cohort.Blocked
		kind := group.Unblocked
		if o.blocked {
			kind = group.Blocked
		}
		o.hear(group.Fact{Kind: kind})
	case cohort.Expelled, cohort.Merging, cohort.Departed:
		o.out(d.Kind)
	case cohort.Lost:
		for n := d.Number; n <= d.Last; n++ {
			o.settled(o.n.Self, n)
		}
		o.hear(group.Fact{Kind: group.Lost, Number: d.Number, Last: d.Last})
	case cohort.Slow:
		o.hear(group.Fact{Kind: group.Slowed, Peer: o.n.w.member(d.Peer)})
	case cohort.Wanted, cohort.ChunkWanted:
		o.serve(d)
	case cohort.Unwanted:
		delete(o.snapshots, d.View.Name)
	case cohort.StateBegan, cohort.StateFailed:
		o.incoming, o.state = nil, nil
		o.hear(group.Fact{Kind: group.Emptied})
		if d.Kind == cohort.StateFailed {
			o.hear(group.Fact{Kind: group.Restored}) // with nothing, if nothing else follows
		}
	case cohort.StateChunk:
		o.incoming = append(o.incoming, d.Payload...)
	case cohort.StateDone:
		o.restore()
	}
}

func (o *owner) message(d *cohort.Delivery) {
	sum := o.n.w.sum(d.Append(nil))
	o.hear(group.Fact{
		Kind: group.Delivered, Peer: d.From, Number: d.Number, Order: group.Order(d.Order), Sum: sum, Size: d.Size(),
	})
	o.inView++
	o.settled(d.From, d.Number)
	if o.n.w.opt.groups[o.number].Stateful {
		o.state = append(o.state, group.Entry{From: d.From, Number: d.Number, Sum: sum})
	}
}

// settled notes what became of a message, if it is the owner's own.
func (o *owner) settled(from view.Member, number uint64) {
	if from == o.n.Self && number <= uint64(len(o.mine)) && !o.mine[number-1] {
		o.mine[number-1] = true
		o.open--
	}
}

// out is told that the owner is in the group no more, for now or for good.
func (o *owner) out(k cohort.Kind) {
	o.view, o.blocked = nil, false
	kind := map[cohort.Kind]group.Kind{cohort.Expelled: group.Expelled, cohort.Merging: group.Merged, cohort.Departed: group.Departed}[k]
	o.hear(group.Fact{Kind: kind})
	if k != cohort.Departed {
		return
	}
	o.group, o.throttled = nil, false
	if o.n.w.Calm {
		return
	}
	life := o.n.Self
	o.n.w.After(o.n.w.UpTo(o.n.w.opt.outMost), func() {
		if o.n.Self == life && o.n.Runs() && o.group == nil {
			o.rejoin()
		}
	})
}

// serve gives the state, later.
func (o *owner) serve(d *cohort.Delivery) {
	w, g, life := o.n.w, o.group, o.n.Self
	still := func() bool { return o.n.Self == life && o.n.Runs() && o.group == g }
	if d.Kind == cohort.ChunkWanted {
		cut, to, offset, size := d.View.Name, d.Peer, d.Number, int(d.Last)
		o.n.later = append(o.n.later, func() { o.chunk(cut, to, offset, size) })
		return
	}
	data, cut := encode(o.state), d.View.Name
	if o.snapshots == nil {
		o.snapshots = map[view.Name][]byte{}
	}
	o.snapshots[cut] = data
	known := w.Rng.IntN(2) == 0
	o.owed = append(o.owed, owed{cut, func() bool {
		if still() {
			g.Serve(w.Read(&o.n.Host), cut, uint64(len(data)), known)
			o.n.after()
			return true
		}
		return o.n.Self != life || o.group != g
	}})
	w.After(w.UpTo(w.opt.serve), o.pay)
}

// owed is a state that was asked for: serve says whether it need not be tried again.
type owed struct {
	cut   view.Name
	serve func() bool
}

// pay serves the states that were asked for, but for those of a process that stands still.
func (o *owner) pay() {
	o.owed = slices.DeleteFunc(o.owed, func(x owed) bool { return x.serve() })
	if len(o.owed) > 0 {
		o.n.w.After(10*time.Millisecond, o.pay)
	}
}

// chunk answers for a piece of the state: not always with all that is wanted, and now and
// then not at all.
func (o *owner) chunk(cut view.Name, to view.ID, offset uint64, size int) {
	w := o.n.w
	data := o.snapshots[cut]
	if o.group == nil || offset > uint64(len(data)) || !w.Calm && w.Rng.IntN(20) == 0 {
		return
	}
	piece := data[offset:]
	piece = piece[:min(len(piece), size, w.opt.chunkMax)]
	last := offset+uint64(len(piece)) == uint64(len(data))
	o.group.Chunk(w.Read(&o.n.Host), cut, to, offset, piece, last, &o.n.out)
}

// restore takes the state that has come.
func (o *owner) restore() {
	o.state = decode(o.incoming)
	o.incoming = nil
	for _, e := range o.state {
		o.settled(e.From, e.Number)
	}
	o.hear(group.Fact{Kind: group.Restored, Entries: slices.Clone(o.state)})
}

const entrySize = 26

func encode(state []group.Entry) []byte {
	b := make([]byte, 0, len(state)*entrySize)
	for i := range state {
		e := &state[i]
		b = binary.BigEndian.AppendUint16(b, uint16(e.From.ID))
		b = binary.BigEndian.AppendUint64(b, uint64(e.From.Incarnation))
		b = binary.BigEndian.AppendUint64(b, e.Number)
		b = binary.BigEndian.AppendUint64(b, e.Sum)
	}
	return b
}

// decode reads a state. What is left at the end becomes an entry of nobody, which a judge
// finds.
func decode(b []byte) []group.Entry {
	var state []group.Entry
	for ; len(b) >= entrySize; b = b[entrySize:] {
		state = append(state, group.Entry{
			From: view.Member{
				ID:          view.ID(binary.BigEndian.Uint16(b)),
				Incarnation: view.Incarnation(binary.BigEndian.Uint64(b[2:])),
			},
			Number: binary.BigEndian.Uint64(b[10:]), Sum: binary.BigEndian.Uint64(b[18:]),
		})
	}
	if len(b) > 0 {
		state = append(state, group.Entry{})
	}
	return state
}

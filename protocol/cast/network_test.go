package cast

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// network runs machines in virtual time on one thread, over a network that loses, doubles
// and reorders. A broken promise ends up in err.
type network struct {
	rng   *rand.Rand
	start time.Time
	now   time.Time
	nodes []*member
	fly   simnet.Heap[arrival]
	view  *view.View
	err   error

	loss, double float64
	late         float64       // how many frames take twenty milliseconds more
	delay        time.Duration // of every frame
	jitter       time.Duration // at most that more
	rate         int           // bytes a second into each member; 0: no limit
	queue        time.Duration // of bytes, beyond which what comes is lost
	lose         func(from, to int, payload []byte) bool
	note         func(trace.Event)
	look         func(*member) // after each step

	carried, lostInQueue int // frames sent, one for each receiver
}

// member is one machine with an owner that submits, checks what it is handed, and
// releases it.
type member struct {
	net   *network
	i     int
	m     *Machine
	view  *view.View
	out   Output
	up    bool
	load  int // records to submit
	sizes func(i int) int
	early func(i int) bool
	flags Flags

	submitted int
	seen      []map[int]bool // by rank
	last      []int          // by rank: the last handed over in order
	held      [][]Record     // by rank: not yet released
	lag       int            // how many it keeps
	busy      time.Time      // until when its link is
	handed    []Record       // everything, without its data
}

// arrival is a frame on its way, its payload.
type arrival struct {
	from, to int
	data     []byte
}

// newNetwork makes n members with a vote each, in their first view.
func newNetwork(n int, seed uint64, change func(*Config), seats func(*view.View)) *network {
	net := &network{rng: rand.New(rand.NewPCG(seed, 7)), start: time.Unix(1000, 0), delay: 50 * time.Microsecond}
	net.now = net.start
	v := &view.View{Name: view.Name{Epoch: 1, Round: 1, By: 1}}
	for i := range n {
		v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: view.ID(i + 1), Incarnation: 9}, Votes: 1})
	}
	if seats != nil {
		seats(v)
	}
	net.view = v
	for i := range n {
		c := Config{Self: v.Seats[i].Member, Group: 4, Recorder: trace.RecorderFunc(func(e trace.Event) {
			if net.note != nil {
				net.note(e)
			}
		})}
		if change != nil {
			change(&c)
		}
		m, err := New(c, rand.New(rand.NewPCG(seed, uint64(i))))
		if err != nil {
			panic(err)
		}
		p := &member{net: net, i: i, m: m, up: true, sizes: func(int) int { return 64 }, early: func(int) bool { return false }}
		net.nodes = append(net.nodes, p)
		p.install(v)
	}
	return net
}

func (net *network) fail(format string, args ...any) {
	if net.err == nil {
		net.err = fmt.Errorf("%v: %s", net.now.Sub(net.start), fmt.Sprintf(format, args...))
	}
}

func (p *member) install(v *view.View) {
	n := len(v.Seats)
	p.view = v
	p.seen, p.last, p.held = make([]map[int]bool, n), make([]int, n), make([][]Record, n)
	for i := range p.seen {
		p.seen[i], p.last[i] = map[int]bool{}, -1
	}
	p.submitted, p.handed = 0, nil
	p.step(func() { p.m.Install(p.net.now, v) })
}

// content is record i of a member in a view: its number, and bytes that follow from it.
func content(dst []byte, of, i, size int, v *view.View) []byte {
	dst = append(binary.BigEndian.AppendUint32(dst[:0], uint32(i)), byte(of), byte(v.Name.Epoch), 0, 0)
	for k := 8; k < size; k++ {
		dst = append(dst, byte(i*31+k*7+of))
	}
	return dst[:size]
}

// of is the member whose stream has this rank.
func (p *member) of(rank int) *member { return p.net.nodes[p.view.Seats[rank].ID-1] }

// intact says whether a record is what its sender submitted, and which.
func (p *member) intact(r Record) (i int, ok bool) {
	var buffer, b [4096]byte
	data := whole(buffer[:0], r)
	if len(data) < 8 {
		return 0, false
	}
	i, of := int(binary.BigEndian.Uint32(data)), p.of(r.Rank)
	return i, string(content(b[:0], of.i, i, of.sizes(i), p.view)) == string(data)
}

// whole appends all bytes of a record.
func whole(dst []byte, r Record) []byte {
	dst = append(dst, r.Data...)
	for _, part := range r.More {
		dst = append(dst, part...)
	}
	return dst
}

// step is one step of the owner: something happens, records are looked at and released,
// frames are carried out.
func (p *member) step(call func()) {
	call()
	p.submit()
	for _, r := range p.out.Records {
		p.check(r)
		p.held[r.Rank] = append(p.held[r.Rank], r)
	}
	for rank := range p.held {
		p.release(rank)
	}
	if p.net.look != nil {
		p.net.look(p)
	}
	p.m.Flush(p.net.now, &p.out)
	for _, e := range p.out.Send {
		p.net.carry(p.i, e)
	}
	p.out.Reset()
}

// submit submits what there is room for.
func (p *member) submit() {
	var b [4096]byte
	for p.up && p.submitted < p.load {
		i := p.submitted
		r := content(b[:0], p.i, i, p.sizes(i), p.view)
		flags := p.flags
		if p.early(i) {
			flags |= Early
		}
		if !p.m.Submit(p.net.now, nil, r, flags, &p.out) {
			return
		}
		p.submitted++
	}
}

// check looks whether a record is what was submitted, and its turn.
func (p *member) check(r Record) {
	net, from := p.net, p.of(r.Rank)
	i, ok := p.intact(r)
	if !ok {
		net.fail("member %d was handed %d bytes that are no record of %d", p.i, len(whole(nil, r)), from.i)
		return
	}
	if p.seen[r.Rank][i] {
		net.fail("member %d: record %d of %d came twice", p.i, i, r.Rank)
	}
	p.seen[r.Rank][i] = true
	p.handed = append(p.handed, Record{Rank: r.Rank, First: r.First, Last: r.Last})
	if r.Early != (r.Early && from.early(i)) {
		net.fail("member %d: record %d of %d came early and must not", p.i, i, r.Rank)
	}
	if r.Early {
		return
	}
	if i <= p.last[r.Rank] {
		net.fail("member %d: record %d of %d came after %d", p.i, i, r.Rank, p.last[r.Rank])
	}
	for k := p.last[r.Rank] + 1; k < i; k++ {
		if !p.seen[r.Rank][k] {
			net.fail("member %d: record %d of %d came before %d", p.i, i, r.Rank, k)
			break
		}
	}
	p.last[r.Rank] = i
}

// release lets go of all but the last few records of a stream. Their bytes must still be
// what they were.
func (p *member) release(rank int) {
	for len(p.held[rank]) > p.lag {
		r := p.held[rank][0]
		if i, ok := p.intact(r); !ok {
			p.net.fail("member %d: record %d of stream %d was changed before it was released", p.i, i, rank)
		}
		p.held[rank] = p.held[rank][1:]
	}
	upto := uint64(math.MaxUint64)
	for _, r := range p.held[rank] {
		upto = min(upto, r.First-1)
	}
	p.m.Release(rank, upto)
}

// carry takes an envelope to those it is for.
func (net *network) carry(from int, e wire.Envelope) {
	if e.To != view.Everyone {
		net.transmit(from, int(e.To)-1, e.Frame)
		return
	}
	for _, id := range e.Members {
		net.transmit(from, int(id)-1, e.Frame)
	}
}

func (net *network) transmit(from, to int, frame []byte) {
	h, payload, why := wire.Open(frame)
	if why != wire.OK || h.Channel != wire.Cast {
		net.fail("member %d sends a frame that is %v", from, why)
		return
	}
	if net.view.Seats[to].Witness {
		net.fail("member %d sends something to a witness", from)
	}
	net.carried++
	if net.lose != nil && net.lose(from, to, payload) || net.rng.Float64() < net.loss {
		return
	}
	copies := 1
	if net.rng.Float64() < net.double {
		copies = 2
	}
	for range copies {
		at := net.now.Add(net.delay)
		if net.rate > 0 {
			p := net.nodes[to]
			if p.busy.Before(at) {
				p.busy = at
			}
			if p.busy.Sub(at) > net.queue {
				net.lostInQueue++
				continue
			}
			p.busy = p.busy.Add(time.Duration(len(frame)) * time.Second / time.Duration(net.rate))
			at = p.busy
		}
		if net.jitter > 0 {
			at = at.Add(time.Duration(net.rng.Int64N(int64(net.jitter))))
		}
		if net.late > 0 && net.rng.Float64() < net.late {
			at = at.Add(20 * time.Millisecond)
		}
		net.fly.Push(at.Sub(net.start), arrival{from, to, append([]byte(nil), payload...)})
	}
}

// run goes on for so long, or until nothing happens any more. It returns whether nothing does.
func (net *network) run(d time.Duration) bool {
	end := net.now.Add(d)
	for _, p := range net.nodes {
		p.step(func() {})
	}
	for steps := 0; net.err == nil; steps++ {
		at, who := time.Time{}, -1
		if due, ok := net.fly.Next(); ok {
			at = net.start.Add(due)
		}
		for i, p := range net.nodes {
			if d := p.m.Deadline(); p.up && !d.IsZero() && (at.IsZero() || d.Before(at)) {
				at, who = d, i
			}
		}
		if at.IsZero() {
			return true
		}
		if at.After(end) {
			net.now = end
			return false
		}
		if who >= 0 && !at.After(net.now) && steps > 10_000_000 {
			net.fail("member %d wants to be called again and again", who)
		}
		if at.After(net.now) {
			net.now = at
		}
		if who >= 0 {
			p := net.nodes[who]
			p.step(func() { p.m.Tick(net.now, &p.out) })
			if d := p.m.Deadline(); !d.IsZero() && !d.After(net.now) {
				net.fail("member %d has a deadline that has passed: %v", who, d.Sub(net.now))
			}
			continue
		}
		_, e := net.fly.Pop()
		if p := net.nodes[e.to]; p.up {
			p.step(func() { p.m.Receive(net.now, net.view.Seats[e.from].Member, e.data, &p.out) })
		}
	}
	return false
}

// complete is an error unless everybody was handed everything of those who are up, and
// everything is stable.
func (net *network) complete() error {
	if net.err != nil {
		return net.err
	}
	for _, p := range net.nodes {
		if !p.up || p.m.rank < 0 {
			continue
		}
		for rank := range p.view.Seats {
			if q := p.of(rank); len(p.seen[rank]) != q.load && q.up {
				return fmt.Errorf("%v: member %d was handed %d of %d records of %d", net.now.Sub(net.start), p.i, len(p.seen[rank]), q.load, q.i)
			}
		}
		for _, s := range p.m.Stats().Members {
			if s.Kept > 0 && p.lag == 0 {
				return fmt.Errorf("%v: member %d still keeps %d packets of %v", net.now.Sub(net.start), p.i, s.Kept, s.ID)
			}
		}
	}
	return nil
}

// mixed are the lengths of records that tests use: mostly small, some over several packets.
func mixed(i int) int {
	switch {
	case i%29 == 0:
		return 4000
	case i%7 == 0:
		return 1300 + i%100
	}
	return 8 + i*13%200
}

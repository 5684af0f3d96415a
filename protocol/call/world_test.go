package call

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// world is clients, servers and a network in virtual time. The servers agree, as a replication style does, on one
// order of commands, which survives them: it is one executor. What differs from one server, then, is that requests
// and replies get lost, that nobody serves for a while, and that copies arrive when everything has changed.
type world struct {
	seed     uint64
	rng      *rand.Rand
	now      time.Duration
	events   events
	seq      int
	clients  []*caller
	exec     *session.Executor
	base     time.Duration // agreed time at
	baseAt   time.Duration // this true time
	rate     float64       // of the clock of who stamps
	primary  int           // -1: nobody
	every    bool          // every server executes, not only the primary
	up       [servers]bool
	calls    map[uint64]*fate // by the ID in the body
	total    uint64
	calm     bool // no more faults
	sound    bool // servers do not crash
	steady   bool // and those there were are over
	complain func(string)
	seen     map[string]int // what happened, to know that the storm is one
}

const servers = 3

// fate is what is known of a call from outside.
type fate struct {
	how      session.Semantics
	count    int // executions
	results  int
	outcome  Outcome
	deadline time.Duration // true time by which there is a result
	forsaken bool          // its client has crashed
}

// caller is a client and its clock.
type caller struct {
	id   int
	life int
	m    *Machine
	out  Output
	rate float64
	open map[uint64]uint64 // machine's ID to the body's
	cut  time.Duration     // until then nothing that it sends arrives
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any     { x := (*e)[len(*e)-1]; *e = (*e)[:len(*e)-1]; return x }

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{w.now + d, w.seq, do})
}

func (w *world) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)+1))
}

func (w *world) fail(format string, args ...any) {
	w.complain(fmt.Sprintf("seed %d at %v: ", w.seed, w.now) + fmt.Sprintf(format, args...))
}

// counting is the service: it counts executions where the world can see it.
type counting struct {
	w      *world
	digest uint64
}

func (s *counting) Apply(c session.Command, reply []byte) []byte {
	id := binary.BigEndian.Uint64(c.Body)
	f := s.w.calls[id]
	f.count++
	s.digest = s.digest*31 + id
	if f.how.Remembered() && f.count > 1 {
		s.w.fail("%v call %d is executed %d times", f.how, id, f.count)
	}
	if f.outcome == NotExecuted {
		s.w.fail("%v call %d is executed, and its caller was told that it was not", f.how, id)
	}
	return binary.BigEndian.AppendUint64(append(reply, c.Body...), uint64(f.count))
}

func (s *counting) Ended(_ time.Duration, id session.ID) {
	s.w.seen["ended"]++
	for _, c := range s.w.clients {
		if have, _ := c.m.Session(); have == id && c.m.LeaseEnd().After(c.clock(s.w)) {
			s.w.fail("the service ends session %d, and client %d counts on it until %v", id, c.id, c.m.LeaseEnd())
		}
	}
}
func (s *counting) Passed(time.Duration) {}
func (s *counting) Next() time.Duration  { return 0 }
func (s *counting) Digest() uint64       { return s.digest }
func (s *counting) Snapshot(w io.Writer) error {
	return binary.Write(w, binary.BigEndian, s.digest)
}
func (s *counting) Restore(r io.Reader) error { return binary.Read(r, binary.BigEndian, &s.digest) }

// clock is what a client's clock shows.
func (c *caller) clock(w *world) time.Time {
	return time.Unix(1e9, 0).Add(time.Duration(float64(w.now) * c.rate))
}

func newWorld(seed uint64, complain func(string)) *world {
	w := &world{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), up: [servers]bool{true, true, true},
		calls: map[uint64]*fate{}, complain: complain, rate: 1, seen: map[string]int{},
	}
	w.every = w.rng.IntN(3) == 0
	w.sound = w.rng.IntN(2) == 0 // the agreed time then stands still less often, and leases are short
	w.exec = session.NewExecutor(&counting{w: w})
	for i := range 1 + w.rng.IntN(3) {
		c := &caller{id: i, rate: 0.96 + 0.08*w.rng.Float64()}
		w.clients = append(w.clients, c)
		w.born(c)
	}
	w.after(0, w.trouble)
	w.after(0, w.elapse)
	return w
}

// born gives a client a new life.
func (w *world) born(c *caller) {
	c.life++
	cfg := Config{Servers: []view.ID{1, 2, 3}, Label: "test", Lease: w.between(300*time.Millisecond, 3*time.Second), RetryMin: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond}
	if w.rng.IntN(2) == 0 {
		cfg.Hedge = w.between(5*time.Millisecond, 50*time.Millisecond)
	}
	if w.rng.IntN(6) == 0 {
		cfg.Lease = 0
	}
	m, err := New(cfg, rand.New(rand.NewPCG(w.rng.Uint64(), 1)))
	if err != nil {
		panic(err)
	}
	c.m, c.open = m, map[uint64]uint64{}
	life := c.life
	w.after(0, func() { w.live(c, life) })
}

// live makes calls for as long as the life lasts.
func (w *world) live(c *caller, life int) {
	if c.life != life || w.calm {
		return
	}
	now := c.clock(w)
	switch w.rng.IntN(60) {
	case 0:
		c.m.Close(now, &c.out)
	case 1:
		if len(c.open) > 0 {
			c.m.Cancel(now, w.anyOf(c.open), &c.out)
		}
	default:
		c.m.Open(now, &c.out)
		for range 1 + w.rng.IntN(2) {
			w.submit(c, w.between(0, time.Second))
		}
	}
	if len(c.open) > 0 && w.rng.IntN(8) == 0 {
		c.m.Cancel(now, w.anyOf(c.open), &c.out)
	}
	w.carry(c)
	w.after(w.between(0, 100*time.Millisecond), func() { w.live(c, life) })
}

// anyOf draws a key.
func (w *world) anyOf(m map[uint64]uint64) uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys[w.rng.IntN(len(keys))]
}

func (w *world) submit(c *caller, patience time.Duration) {
	w.total++
	f := &fate{how: session.Semantics(1 + w.rng.IntN(4)), deadline: w.now + 2*patience + time.Millisecond}
	body := binary.BigEndian.AppendUint64(nil, w.total)
	now := c.clock(w)
	id, why := c.m.Submit(now, Call{How: f.how, Idempotent: w.total%2 == 0, Deadline: now.Add(patience), Body: body}, &c.out)
	if why != None {
		return
	}
	w.calls[w.total] = f
	c.open[id] = w.total
}

// carry does what a client's machine puts out.
func (w *world) carry(c *caller) {
	for _, e := range c.out.Send {
		data := slices.Clone(e.Data)
		if w.now >= c.cut {
			w.travel(false, func() { w.serve(c, e.To, data) })
		}
	}
	for _, r := range c.out.Results {
		w.judge(c, r)
	}
	for _, e := range c.out.Events {
		if e.State == Idle && w.steady {
			w.fail("client %d loses its session in calm: %+v", c.id, e)
		}
	}
	c.out.Reset()
	if d := c.m.Deadline(); !d.IsZero() {
		m, wait := c.m, max(0, time.Duration(float64(d.Sub(c.clock(w)))/c.rate))
		w.after(wait+time.Microsecond, func() {
			if c.m == m && !c.m.Deadline().IsZero() && !c.m.Deadline().After(c.clock(w)) {
				c.m.Tick(c.clock(w), &c.out)
				w.carry(c)
			}
		})
	}
}

// travel lets a message arrive: perhaps not, perhaps twice, perhaps late.
func (w *world) travel(late bool, arrive func()) {
	if w.calm {
		w.after(w.between(0, 5*time.Millisecond), arrive)
		return
	}
	for range 1 + w.rng.IntN(6)/5 {
		d := w.between(0, 20*time.Millisecond)
		if i := w.rng.IntN(12); i == 0 {
			continue
		} else if i == 1 || late && i < 8 {
			d = w.between(0, 2*time.Second)
		}
		w.after(d, arrive)
	}
}

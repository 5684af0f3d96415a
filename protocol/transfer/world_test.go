package transfer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// world runs donors and a joiner in virtual time on one goroutine, with a network between
// them, an owner of the state at each donor, and a judge at the joiner.
type world struct {
	t     testing.TB
	now   time.Time
	begin time.Time
	rng   *rand.Rand
	nodes []*node // by ID, from 1; the first is the joiner

	delay, jitter time.Duration
	loss, repeat  float64

	rate, queue float64      // of the narrowest link: bytes a second (0: any), and bytes that wait there
	busy        [4]time.Time // until when it is, by receiver

	due      simnet.Heap[func()]
	frames   int
	complain func(what string)

	want   []byte // what the judge expects
	got    uint64
	events []Event
}

// node is one process.
type node struct {
	id     view.ID
	m      *Machine
	up     bool
	paused time.Time
	inbox  []packet
	state  map[view.Name][]byte
	slow   time.Duration // the owner answers so late
	most   int           // and gives at most so many bytes at a time; 0: what is asked
	absent float64       // and says so often that it has nothing yet
}

type packet struct {
	from view.Member
	data []byte
}

func member(id int) view.Member {
	return view.Member{ID: view.ID(id), Incarnation: view.Incarnation(10 + id)}
}

func newWorld(t testing.TB, members int, seed uint64, complain func(string)) *world {
	w := &world{
		t: t, now: time.Unix(1e9, 0).UTC(), rng: rand.New(rand.NewPCG(seed, 5)),
		delay: 100 * time.Microsecond, jitter: 50 * time.Microsecond, complain: complain,
	}
	w.begin = w.now
	for i := 1; i <= members; i++ {
		m, err := New(Config{Self: member(i), Group: 7, Fingerprint: 9}, w.rng)
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, &node{id: view.ID(i), m: m, up: true, state: map[view.Name][]byte{}})
	}
	return w
}

func (w *world) joiner() *node { return w.nodes[0] }

func (w *world) after(d time.Duration, do func()) {
	w.due.Push(w.now.Add(d).Sub(w.begin), do)
}

// step makes one call to a machine and carries out what it puts out.
func (w *world) step(n *node, call func(out *Output)) {
	var out Output
	call(&out)
	for i := 0; i < len(out.Asks); i++ { // an answer may ask for more
		w.answer(n, out.Asks[i], &out)
	}
	for _, e := range out.Send {
		w.post(n, e)
	}
	w.judge(&out)
}

// answer is the owner of the state.
func (w *world) answer(n *node, a Ask, out *Output) {
	state, there := n.state[a.Cut]
	if !there {
		return
	}
	if a.Size <= 0 || a.Size > askMax {
		w.complain(fmt.Sprintf("the owner is asked for %d bytes", a.Size))
	}
	give := func(out *Output) {
		from, size := min(a.Offset, uint64(len(state))), a.Size
		if n.most > 0 {
			size = min(size, n.most)
		}
		to := min(from+uint64(size), uint64(len(state)))
		last := to == uint64(len(state)) && a.Offset <= to
		if n.absent > 0 && w.rng.Float64() < n.absent {
			to, last = from, false
		}
		n.m.Data(w.now, a.To, a.Cut, a.Offset, state[from:to], last, out)
	}
	if n.slow == 0 {
		give(out)
		return
	}
	w.after(n.slow, func() {
		if n.up {
			w.step(n, give)
		}
	})
}

func (w *world) post(n *node, e wire.Envelope) {
	w.frames++
	h, payload, why := wire.Open(e.Frame)
	if why != wire.OK || h.Channel != wire.Transfer {
		w.t.Fatalf("%v sent a bad envelope: %v", n.id, why)
	}
	copies := 1
	if w.repeat > 0 && w.rng.Float64() < w.repeat {
		copies = 2
	}
	for range copies {
		if w.loss > 0 && w.rng.Float64() < w.loss {
			continue
		}
		late := w.delay
		if w.jitter > 0 {
			late += time.Duration(w.rng.Int64N(int64(w.jitter)))
		}
		if w.rate > 0 {
			wait, busy := time.Duration(0), &w.busy[e.To]
			if busy.After(w.now) {
				wait = busy.Sub(w.now)
			}
			if wait.Seconds()*w.rate > w.queue {
				continue
			}
			wait += time.Duration(float64(len(e.Frame)) / w.rate * 1e9)
			*busy, late = w.now.Add(wait), late+wait
		}
		p := packet{n.m.cfg.Self, append([]byte(nil), payload...)}
		to := w.nodes[e.To-1]
		w.after(late, func() { w.deliver(to, p) })
	}
}

func (w *world) deliver(n *node, p packet) {
	switch {
	case !n.up:
	case w.now.Before(n.paused):
		if len(n.inbox) < 300 { // the socket's buffer
			n.inbox = append(n.inbox, p)
		}
	default:
		w.step(n, func(out *Output) { n.m.Receive(w.now, p.from, p.data, out) })
	}
}

// pause keeps a node from being run.
func (w *world) pause(n *node, d time.Duration) {
	n.paused = w.now.Add(d)
	w.after(d, func() {
		w.step(n, func(out *Output) { n.m.Tick(w.now, out) })
		inbox := n.inbox
		n.inbox = nil
		for _, p := range inbox {
			w.deliver(n, p)
		}
	})
}

// judge holds what is handed over against the state.
func (w *world) judge(out *Output) {
	for _, c := range out.Chunks {
		switch end := c.Offset + uint64(len(c.Data)); {
		case c.Offset != w.got:
			w.complain(fmt.Sprintf("a chunk at %d, after %d bytes", c.Offset, w.got))
		case end > uint64(len(w.want)) || !bytes.Equal(c.Data, w.want[c.Offset:end]):
			w.complain(fmt.Sprintf("the chunk at %d is not what the state has there", c.Offset))
		}
		w.got = c.Offset + uint64(len(c.Data))
	}
	for _, e := range out.Events {
		if e.Kind == Done && (w.got != uint64(len(w.want)) || e.Size != w.got) {
			w.complain(fmt.Sprintf("done after %d bytes of %d, says %d", w.got, len(w.want), e.Size))
		}
		w.events = append(w.events, e)
	}
}

// run lets time pass until stop says so, or for so long.
func (w *world) run(d time.Duration, stop func() bool) bool {
	end := w.now.Add(d)
	for !stop() {
		at, who := end.Add(1), (*node)(nil)
		if due, ok := w.due.Next(); ok {
			at = w.begin.Add(due)
		}
		for _, n := range w.nodes {
			if n.up && !w.now.Before(n.paused) {
				if d := n.m.Deadline(); !d.IsZero() && d.Before(at) {
					at, who = d, n
				}
			}
		}
		if at.After(end) {
			w.now = end
			return stop()
		}
		if at.After(w.now) {
			w.now = at
		}
		if who == nil {
			_, do := w.due.Pop()
			do()
			continue
		}
		w.step(who, func(out *Output) { who.m.Tick(w.now, out) })
		if again := who.m.Deadline(); !again.IsZero() && !again.After(w.now) {
			w.t.Fatalf("Tick at %v leaves the deadline at %v", w.now, again)
		}
	}
	return true
}

func (w *world) ended() bool { return len(w.events) > 0 }

// serve gives a donor the state of a cut.
func (w *world) serve(donor int, cut view.Name, state []byte, known bool) {
	n := w.nodes[donor-1]
	n.state[cut] = state
	n.m.Offer(w.now, cut, uint64(len(state)), known)
}

func (w *world) fetch(donor int, cut view.Name) {
	w.step(w.joiner(), func(out *Output) { w.joiner().m.Fetch(w.now, member(donor), cut, out) })
}

// random gives so many bytes, of which no two kilobytes are alike.
func random(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

func cutOf(epoch int) view.Name { return view.Name{Epoch: view.Epoch(epoch), Round: 1, By: 2} }

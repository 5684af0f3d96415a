package cohort

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// mesh is a few nodes in one group and a network with a delay of its own for each frame,
// in virtual time.
type mesh struct {
	t     testing.TB
	rng   *rand.Rand
	now   time.Time
	queue happenings
	count int
	nodes []*station
	group GroupConfig
	names []Candidate
	trace bool
	log   []string

	// What a test may change. delay is that of a frame; negative: it is lost. takes says
	// whether a station takes a frame that has come. life numbers the lives.
	delay     func(from *station, to view.ID, frame []byte) time.Duration
	takes     func(s *station, from view.Member, frame []byte) bool
	life      func() view.Incarnation
	configure func(s *station, n *NodeConfig, g *GroupConfig)
}

// station is one process.
type station struct {
	mesh    *mesh
	id      view.ID
	life    view.Member
	node    *Node
	group   *Group
	up      bool
	asleep  bool // it does not run and will
	wakes   time.Time
	state   []string // what the application has: the messages delivered
	staged  []byte
	serves  []byte
	heard   []string
	deliver func(d *Delivery)
}

type happening struct {
	at    time.Time
	order int
	do    func()
}
type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].order < h[j].order
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any     { o := *h; x := o[len(o)-1]; *h = o[:len(o)-1]; return x }

func newMesh(t testing.TB, members int, cfg GroupConfig) *mesh {
	m := &mesh{t: t, rng: rand.New(rand.NewPCG(1, 2)), now: time.Unix(1_000_000_000, 0), group: cfg}
	m.delay = func(*station, view.ID, []byte) time.Duration {
		return 100*time.Microsecond + time.Duration(m.rng.IntN(100))*time.Microsecond
	}
	m.takes = func(*station, view.Member, []byte) bool { return true }
	m.life = func() view.Incarnation { return view.Incarnation(m.now.UnixNano()) }
	m.configure = func(*station, *NodeConfig, *GroupConfig) {}
	for i := range members {
		id := view.ID(i + 1)
		m.names = append(m.names, Candidate{ID: id, Name: string(rune('a' + i)), Votes: 1})
		m.nodes = append(m.nodes, &station{mesh: m, id: id})
	}
	return m
}

func (m *mesh) after(d time.Duration, do func()) {
	m.count++
	heap.Push(&m.queue, happening{m.now.Add(d), m.count, do})
}

func (m *mesh) run(d time.Duration) {
	end := m.now.Add(d)
	for len(m.queue) > 0 && !m.queue[0].at.After(end) {
		h := heap.Pop(&m.queue).(happening)
		m.now = h.at
		h.do()
	}
	m.now = end
}

// boot begins a life of a station and joins the group.
func (m *mesh) boot(i int) {
	s := m.nodes[i]
	*s = station{mesh: m, id: s.id, life: view.Member{ID: s.id, Incarnation: m.life()}, up: true, deliver: s.deliver}
	var recorder trace.Recorder
	if m.trace {
		recorder = trace.RecorderFunc(func(e trace.Event) { m.log = append(m.log, e.String()) })
	}
	node := NodeConfig{Self: s.life, Candidates: m.names, Links: 1, Heartbeat: 20 * time.Millisecond, SuspectAfter: 100 * time.Millisecond, Recorder: recorder}
	join := m.group
	m.configure(s, &node, &join)
	var err error
	s.node, err = New(node, rand.New(rand.NewPCG(uint64(s.life.Incarnation), uint64(s.id))))
	if err != nil {
		m.t.Fatal(err)
	}
	s.step(func(out *Output) {
		s.node.Start(m.now, out)
		if s.group, err = s.node.Join(m.now, join, out); err != nil {
			m.t.Fatal(err)
		}
	})
}

func (s *station) step(fn func(out *Output)) {
	m := s.mesh
	var out Output
	fn(&out)
	s.node.Flush(m.now, &out)
	for _, e := range out.Send {
		to := e.Members
		if e.To != view.Everyone {
			to = []view.ID{e.To}
		}
		for _, id := range to {
			if s.up { // it may crash between two frames
				s.send(id, e)
			}
		}
	}
	if !s.up {
		return
	}
	for i := range out.Deliver {
		s.take(&out.Deliver[i])
	}
	s.schedule()
}

func (s *station) schedule() {
	m := s.mesh
	d := s.node.Deadline()
	if d.IsZero() || d.Equal(s.wakes) || s.asleep {
		return
	}
	s.wakes = d
	node := s.node
	m.after(max(d.Sub(m.now), 0), func() {
		if s.up && !s.asleep && s.node == node && s.wakes.Equal(d) {
			s.wakes = time.Time{}
			s.step(func(out *Output) { s.node.Tick(m.now, out) })
		}
	})
}

func (s *station) send(to view.ID, e wire.Envelope) {
	m := s.mesh
	d := m.delay(s, to, e.Frame)
	if d < 0 {
		return
	}
	from, frame := s.life, append([]byte(nil), e.Frame...)
	m.after(d, func() {
		if y := m.nodes[to-1]; y.up && m.takes(y, from, frame) {
			y.step(func(out *Output) { y.node.Receive(m.now, from, 1, frame, out) })
		}
	})
}

// take is the application: its state is the list of messages.
func (s *station) take(d *Delivery) {
	m := s.mesh
	if s.deliver != nil {
		s.deliver(d)
		return
	}
	switch d.Kind {
	case Viewed:
		s.hear("view %v former %v", d.View, d.Former)
	case Message:
		payload := d.Append(nil)
		s.state = append(s.state, string(payload))
		s.hear("message %s %q", d.From.ID, payload)
	case Wanted:
		s.serves = []byte(fmt.Sprintf("%q", s.state))
		s.group.Serve(m.now, d.View.Name, uint64(len(s.serves)), true)
	case ChunkWanted:
		from := min(int(d.Number), len(s.serves))
		to := min(from+int(d.Last), len(s.serves))
		cut, peer, data, last, offset := d.View.Name, d.Peer, s.serves[from:to], to == len(s.serves), d.Number
		m.after(0, func() {
			s.step(func(out *Output) { s.group.Chunk(m.now, cut, peer, offset, data, last, out) })
		})
	case StateBegan:
		s.staged = nil
	case StateChunk:
		s.staged = append(s.staged, d.Payload...)
	case StateDone:
		s.hear("state %s", s.staged)
	default:
		s.hear("kind %d %v", d.Kind, d.Missing)
	}
}

func (s *station) hear(format string, args ...any) {
	line := fmt.Sprintf("%s %s: ", s.mesh.now.Format("05.000000"), s.id) + fmt.Sprintf(format, args...)
	s.heard = append(s.heard, line)
	s.mesh.log = append(s.mesh.log, line)
}

func (s *station) multicast(o order.Order, text string) {
	s.step(func(out *Output) {
		if _, ok := s.group.Multicast(s.mesh.now, o, []byte(text), out); !ok {
			s.mesh.t.Errorf("%v: multicast %q: refused", s.id, text)
		}
	})
}

func TestThreeMembers(t *testing.T) {
	for _, engine := range []order.Engine{order.Sequencer, order.Lamport, order.ISIS} {
		m := newMesh(t, 3, GroupConfig{Name: "g", Stateful: true, Engine: engine})
		m.trace = true
		m.boot(0)
		m.boot(1)
		m.run(time.Second)
		for i := range 10 {
			m.nodes[i%2].multicast(order.Total|order.Uniform, fmt.Sprint("one ", i))
			m.run(time.Millisecond)
		}
		m.boot(2)
		m.run(time.Second)
		for i := range 9 {
			m.nodes[i%3].multicast(order.Total, fmt.Sprint("two ", i))
		}
		m.run(time.Second)
		m.nodes[0].up = false
		m.run(time.Second)
		m.nodes[1].multicast(order.Total, "three")
		m.run(time.Second)
		for _, s := range m.nodes {
			m.log = append(m.log, fmt.Sprint(s.id, " ", len(s.state)))
		}
		if len(m.nodes[1].state) != 20 || len(m.nodes[2].state) != 10 {
			for _, l := range m.log {
				t.Log(l)
			}
			t.Fatalf("engine %v", engine)
		}
	}
}

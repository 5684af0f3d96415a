package cohort

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// story is a group, what happens to it, and what its members tell of it. Every judge of
// check/group hears all of it.
type story struct {
	t       *testing.T
	mesh    *mesh
	court   *group.Court
	begun   time.Time
	since   time.Time // what is told is told in milliseconds from here
	lives   int
	again   func(line string) // carries an instruction out
	past    map[view.ID][]view.Incarnation
	apps    []*app
	watches []*watch
	cut     map[way]bool
	loss    int // percent
	told    []telling
	shown   map[trace.Kind]bool
	drops   map[[2]string]int // by member and reason
	tapes   map[view.ID][]taped
}

// way is from one member to another; channel 0 is all that goes there.
type way struct {
	from, to view.ID
	channel  wire.Channel
}

// watch is something to be done at the left-th frame of a verb that a member sends or gets.
type watch struct {
	who     view.ID
	gets    bool
	channel wire.Channel
	verb    byte
	left    int
	do      string
}

// taped is a frame that was recorded.
type taped struct {
	from  view.Member
	to    view.ID
	frame []byte
}

// telling is what a member told. Messages of a flood are told in runs.
type telling struct {
	at          time.Time
	who         view.ID
	text        string
	from        view.Member // of a flood's messages first to last
	order       order.Order
	first, last uint64
}

// app is the application at a member: its state is what it has delivered. ballast is so
// many bytes of its state that mean nothing.
type app struct {
	story   *story
	s       *station
	state   []entry
	staged  []byte
	shot    map[view.Name][]byte // what joiners are given
	ballast int
	inbox   []func()
	differs map[string]string // how it is configured differently
	waits   time.Time         // since when no message was taken
	disk    *disk             // of a durable group
	spoiled bool              // what is in memory is not to be relied on
}

type entry struct {
	from   view.Member
	number uint64
	sum    uint64
	text   string
}

const floods = "flood"

func newStory(t *testing.T, names []Candidate, cfg GroupConfig) *story {
	y := &story{
		t: t, mesh: newMesh(t, len(names), cfg), cut: map[way]bool{}, shown: map[trace.Kind]bool{},
		past: map[view.ID][]view.Incarnation{}, drops: map[[2]string]int{}, tapes: map[view.ID][]taped{},
	}
	m := y.mesh
	m.names, y.begun, y.since = names, m.now, m.now
	y.court = group.NewCourt(group.All(!cfg.All, cfg.Stateful,
		group.Patience{Detect: 220 * time.Millisecond, Settle: time.Second, Refuse: 3 * time.Second})...)
	m.life = func() view.Incarnation { y.lives++; return view.Incarnation(1000 * y.lives) }
	m.delay, m.takes, m.configure = y.delay, y.takes, y.configure
	for _, s := range m.nodes {
		a := &app{story: y, s: s, shot: map[view.Name][]byte{}, differs: map[string]string{}}
		if cfg.Durable {
			a.disk = &disk{}
		}
		y.apps = append(y.apps, a)
		s.deliver = a.deliver
	}
	return y
}

// name is a member's, with the number of its life if it is not the first.
func (y *story) name(m view.Member) string {
	if m.ID == view.Nobody || int(m.ID) > len(y.mesh.names) {
		return "nobody"
	}
	name := y.mesh.names[m.ID-1].Name
	for i, l := range y.apps[m.ID-1].lives() {
		if l == m.Incarnation && i > 0 {
			name += fmt.Sprint("#", i+1)
		}
	}
	return name
}

func (y *story) list(members []view.Member) string {
	var names []string
	for _, m := range members {
		names = append(names, y.name(m))
	}
	return strings.Join(names, " ")
}

func (y *story) tell(who view.ID, format string, args ...any) {
	y.told = append(y.told, telling{at: y.mesh.now, who: who, text: fmt.Sprintf(format, args...)})
}

func (y *story) hear(f group.Fact) {
	f.At = y.mesh.now.Sub(y.begun)
	y.court.Hear(&f)
}

// delay is how long a frame takes: it is constant, so that little depends on chance.
func (y *story) delay(s *station, to view.ID, frame []byte) time.Duration {
	h, _, _ := wire.Open(frame)
	if !s.up {
		return -1
	}
	if tape, on := y.tapes[s.id]; on {
		y.tapes[s.id] = append(tape, taped{s.life, to, append([]byte(nil), frame...)})
	}
	lost := y.cut[way{s.id, to, 0}] || y.cut[way{s.id, to, h.Channel}]
	lost = lost || y.mesh.rng.IntN(100) < y.loss
	y.look(s.id, false, frame) // it may crash now: what it has sent is on its way
	if lost {
		return -1
	}
	return 200 * time.Microsecond
}

func (y *story) takes(s *station, from view.Member, frame []byte) bool {
	y.look(s.id, true, frame)
	if s.asleep {
		a, frame := y.apps[s.id-1], append([]byte(nil), frame...)
		a.inbox = append(a.inbox, func() {
			s.step(func(out *Output) { s.node.Receive(y.mesh.now, from, 1, frame, out) })
		})
	}
	return s.up && !s.asleep
}

// look does what is to be done at a frame.
func (y *story) look(at view.ID, gets bool, frame []byte) {
	h, payload, reason := wire.Open(frame)
	if reason != wire.OK || len(payload) < 5 {
		return
	}
	verb := payload[0]
	if h.Channel == wire.Group {
		verb = payload[4] // after the group
	}
	for _, w := range y.watches {
		if w.left > 0 && w.who == at && w.gets == gets && w.channel == h.Channel && w.verb == verb {
			if w.left--; w.left == 0 {
				y.again(w.do)
			}
		}
	}
}

// configure begins a life.
func (y *story) configure(s *station, n *NodeConfig, g *GroupConfig) {
	a := y.apps[s.id-1]
	a.begin(s.life)
	n.Fingerprint = 1
	if a.differs["cluster"] != "" {
		n.Fingerprint = 2
	}
	if name := a.differs["group"]; name != "" {
		g.Name = name
	}
	if name := a.differs["engine"]; name != "" {
		g.Engine = engines[name]
	}
	n.Recorder = trace.RecorderFunc(func(e trace.Event) { y.record(s, e) })
	y.hear(group.Fact{Kind: group.Booted, Node: s.life})
	a.recover()
	if len(a.differs) == 0 {
		y.hear(group.Fact{Kind: group.Joined, Node: s.life})
	}
}

func (y *story) record(s *station, e trace.Event) {
	if e.Kind == trace.Dropped {
		y.drops[[2]string{y.mesh.names[s.id-1].Name, wire.Reason(e.A).String()}]++
	}
	if y.shown[e.Kind] {
		text := e.Kind.String()
		if e.Peer != view.Nobody {
			text += " " + y.mesh.names[e.Peer-1].Name
		}
		y.tell(s.id, "[%s]", text)
	}
}

func (y *story) crash(s *station) {
	s.up, s.asleep = false, false
	y.hear(group.Fact{Kind: group.Crashed, Node: s.life})
	y.tell(s.id, "crashes")
	for _, other := range y.mesh.nodes {
		if other.up {
			return
		}
	}
	y.hear(group.Fact{Kind: group.Perished})
}

func (y *story) wake(s *station) {
	a := y.apps[s.id-1]
	s.asleep, s.wakes = false, time.Time{}
	for _, do := range a.inbox {
		do()
	}
	a.inbox = nil
	s.step(func(out *Output) { s.node.Tick(y.mesh.now, out) })
}

func sum(payload []byte) uint64 {
	h := fnv.New64a()
	h.Write(payload)
	return h.Sum64()
}

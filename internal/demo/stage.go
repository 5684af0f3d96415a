package demo

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// event is one line of the timeline.
type event struct {
	at    time.Duration // since the start of the demonstration
	who   string        // a node, or "" for the demonstration itself
	words string
	loud  bool // it is what one came to see, or what should not be
}

// scene is one moment, for the screen.
type scene struct {
	at     time.Duration
	act    string // "1 of 2"; "" before and after
	title  string // what happens now, in a sentence
	nodes  [2]nodeScene
	load   bool // the rest is known
	flows  int
	heard  int
	fault  bool // heard counts since a fault; else of late
	lost   int
	now    time.Duration // how long no probe was answered
	probe  time.Duration // the longest of this phase
	tcp    time.Duration
	ok     int
	again  int
	failed int
	bits   float64
	strip  columns // probes answered, the newest last
	events []event // the latest
}

// nodeScene is a node in a scene.
type nodeScene struct {
	name   string
	off    bool // without power
	active bool
	role   string
	words  string
}

// stage is everything that the screen shows, and what the director tells it. It is safe
// for concurrent use.
type stage struct {
	start time.Time
	told  func(event) // each event, at once; may be nil

	mu      sync.Mutex
	act     string
	title   string
	off     map[string]bool
	events  []event
	errors  []string
	nodes   []*node
	sampler *sampler
	flows   int
}

// say adds an event to the timeline.
func (s *stage) say(who string, loud bool, format string, values ...any) {
	s.sayAt(time.Now(), who, loud, format, values...)
}

func (s *stage) sayAt(at time.Time, who string, loud bool, format string, values ...any) {
	e := event{at.Sub(s.start), who, fmt.Sprintf(format, values...), loud}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) < eventsMax {
		// What a node logs arrives a little later than it happened.
		i := len(s.events)
		for i > 0 && s.events[i-1].at > e.at {
			i--
		}
		s.events = slices.Insert(s.events, i, e)
	}
	if s.told != nil {
		s.told(e)
	}
}

// log takes a line of a node's log.
func (s *stage) log(n *node, e entry) {
	if e.Level == "ERROR" {
		s.mu.Lock()
		if len(s.errors) < errorsMax {
			s.errors = append(s.errors, n.name()+": "+e.raw())
		}
		s.mu.Unlock()
	}
	if words := e.words(); words != "" {
		s.sayAt(e.At, n.name(), e.Message == logActivated || e.Level == "ERROR", "%s", words)
	}
}

// announce says what comes now.
func (s *stage) announce(act, format string, values ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.act, s.title = act, fmt.Sprintf(format, values...)
}

func (s *stage) power(node string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off[node] = !on
}

// loaded says that traffic runs.
func (s *stage) loaded(sampler *sampler, flows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sampler, s.flows = sampler, flows
}

// stripEvery is the width of a column of the live strip.
const stripEvery = 25 * time.Millisecond

// scene takes the moment.
func (s *stage) scene() scene {
	s.mu.Lock()
	sc := scene{at: time.Since(s.start), act: s.act, title: s.title, flows: s.flows}
	sc.events = append([]event(nil), s.events[max(0, len(s.events)-timelineRows):]...)
	nodes, sampler := s.nodes, s.sampler
	for i, n := range nodes {
		sc.nodes[i] = nodeScene{name: n.name(), off: s.off[n.name()]}
	}
	s.mu.Unlock()
	if len(nodes) == 0 {
		sc.nodes[0].name, sc.nodes[1].name = lab.FW1, lab.FW2
	}
	for i, n := range nodes {
		sc.nodes[i].describe(n)
	}
	if sampler != nil {
		sampler.fill(&sc)
	}
	return sc
}

// describe says what a node does and how whole its copy is.
func (ns *nodeScene) describe(n *node) {
	st, ok := n.look()
	switch {
	case ns.off:
		ns.role, ns.words = "NO POWER", "killed, all cables off"
		return
	case !ok:
		ns.role, ns.words = "starting", ""
		return
	}
	ns.active = st.Role == control.Active || st.Role == control.Draining
	ns.role = string(st.Role)
	if !ns.active {
		for _, p := range st.Peers {
			ns.words = fmt.Sprintf("copy of %s", control.Count(p.Received.Objects, "flow"))
			if p.Received.Synced && p.Received.Gaps == 0 {
				ns.words += ", whole"
			}
		}
		return
	}
	ns.role = fmt.Sprintf("ACTIVE, epoch %d", st.Epoch)
	ns.words = control.Count(st.Flows.Own, "flow")
	for _, p := range st.Peers {
		ns.words += ", " + proofWords(&p)
	}
}

func proofWords(p *control.Peer) string {
	switch {
	case !p.Alive:
		return "no standby"
	case p.Proof.State == control.Proven:
		return "proven on " + p.Name
	case p.Proof.State == control.Behind && p.Proof.LastProvenMSAgo != nil:
		// Under traffic some changes are always on their way.
		return fmt.Sprintf("proven on %s %s ago", p.Name, control.Age(p.Proof.LastProvenMSAgo.Duration()))
	case p.Proof.State == control.Behind:
		return fmt.Sprintf("%s behind on %s", control.Thousands(p.Proof.ObjectsBehind), p.Name)
	}
	return string(p.Proof.State) + " " + p.Name
}

// fill puts what the load shows into a scene.
func (s *sampler) fill(sc *scene) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.samples) == 0 {
		return
	}
	r := &s.report
	sc.load, sc.fault = true, !s.fault.IsZero()
	sc.heard = r.WentOn()
	sc.lost = r.Before() - r.WentOn()
	sc.now, sc.probe, sc.tcp = sc.at-s.quiet, r.Probes.Silence, r.Fast.Silence.Max
	sc.ok, sc.again, sc.failed = r.Requests.OK, r.Requests.Retried, r.Requests.Failed
	sc.bits = s.bits
	// A whole number of columns since the start, so that the strip moves and its bars
	// do not change.
	to := s.samples[len(s.samples)-1].at / stripEvery * stripEvery
	from := to - stripCols*stripEvery
	i := len(s.samples)
	for i > 0 && s.samples[i-1].at >= from {
		i--
	}
	sc.strip = answers(s.samples[max(i-1, 0):], from, stripEvery, stripCols)
}

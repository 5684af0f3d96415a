// Package stage lets the machines of two servers, and their clients, play in virtual time on one goroutine, with a network between
// them: what the tests of a style have in common. A test embeds a [Stage], gives it its hosts, and carries out what its machines ask
// for. What is due at the same moment comes in the order in which it was put there, and after the machines' deadlines that are
// sooner; nothing else but the given chance decides.
//
// The worlds of the simulator are larger: they have clocks that drift, real frames, and the whole stack.
package stage

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/trace"
)

// stormMax is how much may happen without time passing.
const stormMax = 5000

// Test is the test that plays.
type Test interface {
	Fatalf(format string, args ...any)
}

// Stage is one play.
type Stage struct {
	Begun   time.Time
	Now     time.Time
	Rng     *rand.Rand
	Court   *service.Court
	Clients []*Client

	Lease           time.Duration   // of clients' sessions
	Delay, Jitter   time.Duration   // of the network
	Loss, Duplicate float64         // parts of what is sent
	Cut             map[[2]int]bool // from, to; clients are 3 and on, 0 is somebody else
	Frames          int             // between the two

	Record func(trace.Event)
	Tell   func(who, what string)

	t     Test
	hosts []*Host
	due   simnet.Heap[func()]
	lines []string
}

// Set sets the stage with as many clients, and judges who hear what they and the hosts do.
func (s *Stage) Set(t Test, clients int, judges ...service.Judge) {
	begun := time.Unix(1000000000, 0).UTC()
	*s = Stage{
		t: t, Begun: begun, Now: begun, Lease: time.Minute, Delay: 200 * time.Microsecond, Cut: map[[2]int]bool{}, Rng: rand.New(rand.NewPCG(1, 1)),
		Record: func(trace.Event) {}, Tell: func(string, string) {}, Court: service.NewCourt(judges...),
	}
	for i := range clients {
		x := &Client{s: s, server: 1}
		x.Number, x.Nonce = i+1, uint64(i+1)
		s.Clients = append(s.Clients, x)
	}
}

// Disturb draws a network, and how long sessions last.
func (s *Stage) Disturb() {
	if s.Rng.IntN(3) == 0 {
		s.Lease = 150 * time.Millisecond // sessions end, and time has to be let pass
	}
	s.Jitter = time.Duration(1+s.Rng.IntN(3000)) * time.Microsecond
	s.Loss = []float64{0, 0.01, 0.1, 0.2}[s.Rng.IntN(4)]
	s.Duplicate = []float64{0, 0.02, 0.2}[s.Rng.IntN(3)]
}

// Calm ends what the network does.
func (s *Stage) Calm() {
	clear(s.Cut)
	s.Loss, s.Duplicate = 0, 0
}

// Past is how much time has passed.
func (s *Stage) Past() time.Duration { return s.Now.Sub(s.Begun) }

// Hear tells the court a fact.
func (s *Stage) Hear(f *service.Fact) {
	f.At = s.Past()
	s.Court.Hear(f)
}

// After lets something happen later.
func (s *Stage) After(d time.Duration, do func()) { s.due.Push(s.Past()+d, do) }

// Post lets something happen when a message has arrived, if it does.
func (s *Stage) Post(from, to int, do func()) {
	if from <= 2 && to <= 2 {
		s.Frames++
	}
	copies := 1
	if s.Duplicate > 0 && s.Rng.Float64() < s.Duplicate {
		copies = 2
	}
	for range copies {
		if s.Cut[[2]int{from, to}] || s.Loss > 0 && s.Rng.Float64() < s.Loss {
			continue
		}
		late := s.Delay
		if s.Jitter > 0 {
			late += time.Duration(s.Rng.Int64N(int64(s.Jitter)))
		}
		s.After(late, do)
	}
}

// Run lets time pass, until a judge objects.
func (s *Stage) Run(d time.Duration) {
	end, steps := s.Now.Add(d), 0
	for s.Court.Violation() == nil {
		at, h := s.next()
		if at.After(end) {
			break
		}
		if at.After(s.Now) {
			steps = 0
		}
		if steps++; steps > stormMax {
			s.t.Fatalf("a storm at %v", s.Past())
		}
		s.Now = at
		if h == nil {
			_, do := s.due.Pop()
			do()
			continue
		}
		h.process.Tick()
		if again := h.process.Deadline(); h.Up && !again.After(s.Now) {
			s.t.Fatalf("%v: Tick at %v leaves the deadline at %v: %v", h.ID, s.Now, again, h.process)
		}
	}
	s.Now = end
}

// next is the next thing to happen: a host's deadline, or else what is due.
func (s *Stage) next() (time.Time, *Host) {
	at, who := s.Now.Add(time.Hour), (*Host)(nil)
	if d, is := s.due.Next(); is {
		at = s.Begun.Add(d)
	}
	for _, h := range s.hosts {
		if !s.Runs(h) {
			continue
		}
		if d := h.process.Deadline(); !d.IsZero() && d.Before(at) {
			at, who = d, h
			if d.Before(s.Now) {
				at = s.Now
			}
		}
	}
	return at, who
}

package stage

import (
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Process is what runs on a host: a test's way of calling its machine.
type Process interface {
	Tick()
	Deadline() time.Time
	Submit(client int, request []byte)
	String() string
}

// Host is one server.
type Host struct {
	ID   view.ID
	Life view.Incarnation // the present one, or the last
	Up   bool
	// Trap is a point at which it crashes, the TrapAt-th time that it comes there.
	Trap   string
	TrapAt int

	process Process
	paused  time.Time // until then
	inbox   []func()
}

// Add gives the stage its next host; the first has the ID 1.
func (s *Stage) Add(h *Host, p Process) {
	s.hosts = append(s.hosts, h)
	h.ID, h.process = view.ID(len(s.hosts)), p
}

// Self is the host's life as the court knows it.
func (h *Host) Self() view.Member { return view.Member{ID: h.ID, Incarnation: h.Life} }

// Boot begins a life.
func (h *Host) Boot() { *h = Host{ID: h.ID, Life: h.Life + 1, Up: true, process: h.process} }

// Crash ends the life.
func (s *Stage) Crash(h *Host) {
	h.Up, h.inbox = false, nil
	s.Hear(&service.Fact{Kind: service.Fell, Node: h.Self()})
	s.Tell(h.ID.String(), "crashes")
}

// Sprung says whether a trap is sprung at this point.
func (h *Host) Sprung(point string) bool {
	if h.Trap != point {
		return false
	}
	if h.TrapAt--; h.TrapAt > 0 {
		return false
	}
	h.Trap = ""
	return true
}

// Runs says whether the host's process does anything.
func (s *Stage) Runs(h *Host) bool { return h.Up && !s.Now.Before(h.paused) }

// Later lets a host do something when it runs, in this life.
func (s *Stage) Later(h *Host, do func()) func() {
	life := h.Life
	return func() {
		switch {
		case !h.Up || h.Life != life:
		case s.Runs(h):
			do()
		default:
			h.inbox = append(h.inbox, do)
		}
	}
}

// Send lets a host do something when a message from elsewhere has arrived, in the life that it is in then.
func (s *Stage) Send(from int, to *Host, do func()) {
	s.Post(from, int(to.ID), func() { s.Later(to, do)() })
}

// Pause lets a host stand still for a time.
func (s *Stage) Pause(h *Host, d time.Duration) {
	h.paused = s.Now.Add(d)
	life := h.Life
	s.After(d, func() {
		if !h.Up || h.Life != life {
			return
		}
		h.process.Tick()
		inbox := h.inbox
		h.inbox = nil
		for _, do := range inbox {
			s.Later(h, do)()
		}
	})
}

package world

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Never is a time that does not come.
const Never = time.Duration(1<<63 - 1)

// inboxMax is how many datagrams wait for a process that stands still: its socket's buffer.
const inboxMax = 2000

// Process is what runs on a host. Each method is a step, or several.
type Process interface {
	Receive(d *simnet.Datagram) // a datagram that the transport has let through
	Tick()                      // the machine's deadline has come
	Work()                      // the moment has come that the owner set in Host.Work
}

// Host is one machine with a clock, on which a process runs, or none.
type Host struct {
	Self   view.Member // the present life, or the last
	Clock  sim.Clock
	Up     bool
	Paused bool
	At     time.Duration // of the next Tick
	Work   time.Duration // of the next Work
	Missed uint64        // datagrams for which a process that stood still had no room

	process Process
	busy    int // Ticks without time passing
	inbox   []simnet.Datagram
	sealed  []seal // by peer; nil: the transport lets copies through
}

// seal is what a transport knows of one life of a peer.
type seal struct {
	life   view.Incarnation
	window simnet.Window
}

// Add gives the world its next host; the first has the ID 1.
func (w *World) Add(h *Host, p Process) {
	w.hosts = append(w.hosts, h)
	h.Self.ID, h.At, h.Work, h.process = view.ID(len(w.hosts)), Never, Never, p
}

// Runs says whether the host's process does anything.
func (h *Host) Runs() bool { return h.Up && !h.Paused }

// Boot begins a life: a new incarnation, a clock that has nothing to do with any other and
// drifts if asked to, and a transport that, if sealed, drops copies and former lives.
func (w *World) Boot(h *Host, drift, sealed bool) {
	h.Self.Incarnation++
	gain := int64(0)
	if drift {
		gain = w.Rng.Int64N(2*sim.DriftMost+1) - sim.DriftMost
	}
	h.Clock = sim.NewClock(w.Now, time.Unix(1_700_000_000+w.Rng.Int64N(1_000_000), 0), gain)
	h.Up, h.Paused, h.inbox, h.sealed = true, false, h.inbox[:0], nil
	if sealed {
		h.sealed = make([]seal, len(w.hosts))
	}
}

// End ends the life. Work stays as it is: it is the owner's.
func (h *Host) End() { h.Up, h.Paused, h.At, h.inbox = false, false, Never, h.inbox[:0] }

// Read is what the host's clock shows.
func (w *World) Read(h *Host) time.Time { return h.Clock.Read(w.Now) }

// Schedule sets when the process is ticked; the zero deadline is never.
func (w *World) Schedule(h *Host, deadline time.Time) {
	h.At = Never
	if !deadline.IsZero() {
		h.At = max(w.Now, h.Clock.When(deadline))
	}
}

// Tick lets a process do what is due.
func (w *World) Tick(h *Host) {
	if h.busy++; h.busy > w.BusyMax {
		w.Fail(sim.Liveness, fmt.Sprintf("%v wants to be ticked again and again at the same moment", h.Self.ID))
	}
	h.process.Tick()
}

// Pause lets a host stand still for a time, then calls resume if it still does.
func (w *World) Pause(h *Host, d time.Duration, resume func()) {
	h.Paused = true
	life := h.Self.Incarnation
	w.Did("stands still", h.Self, view.Member{})
	w.After(d, func() {
		if h.Self.Incarnation == life && h.Paused {
			resume()
		}
	})
}

// Resume ends a pause. What has come meanwhile waits for Drain.
func (w *World) Resume(h *Host) {
	h.Paused = false
	w.Did("goes on", h.Self, view.Member{})
}

// Drain gives a process what has come while it stood still.
func (w *World) Drain(h *Host) {
	inbox := h.inbox
	h.inbox = nil
	for i := range inbox {
		if h.Runs() {
			w.receive(h, &inbox[i])
		}
	}
}

// arrive gives a datagram to a process, or to the queue of one that stands still.
func (w *World) arrive(h *Host, d *simnet.Datagram) {
	switch {
	case !h.Up:
	case !h.Paused:
		w.receive(h, d)
	case len(h.inbox) >= inboxMax:
		h.Missed++
	default:
		h.inbox = append(h.inbox, *d)
		h.inbox[len(h.inbox)-1].Frame = append([]byte(nil), d.Frame...)
	}
}

func (w *World) receive(h *Host, d *simnet.Datagram) {
	w.Log.Datagram(w.Now, d.From, d.To, d.Link, d.Frame)
	if h.accept(d) {
		h.process.Receive(d)
	}
}

// accept says whether the transport lets a datagram through: none that is damaged, none of
// a former life, no copy. Without a seal it lets everything through.
func (h *Host) accept(d *simnet.Datagram) bool {
	if h.sealed == nil {
		return true
	}
	if _, _, why := wire.Open(d.Frame); why != wire.OK {
		return false // the seal would not open
	}
	s := &h.sealed[d.From.ID-1]
	if d.From.Incarnation > s.life {
		*s = seal{life: d.From.Incarnation}
	}
	return d.From.Incarnation == s.life && s.window.Accept(d.Serial)
}

// Sever cuts the way from one host to another, and back if both, on one link or, if link
// is 0, on all; or ends that.
func (w *World) Sever(from, to view.ID, link uint8, both, cut bool) {
	for l := range w.Net.Links() {
		if link != 0 && int(link) != l+1 {
			continue
		}
		w.Net.Cut(from, to, uint8(l+1), cut)
		if both {
			w.Net.Cut(to, from, uint8(l+1), cut)
		}
	}
}

// Isolate cuts a host off from some others for a time, and back if both; then over, which may be nil, is called.
func (w *World) Isolate(h *Host, from []view.ID, both bool, d time.Duration, over func()) {
	w.Did("is cut off", h.Self, view.Member{})
	cut := func(cut bool) {
		for _, id := range from {
			w.Sever(h.Self.ID, id, 0, both, cut)
		}
	}
	cut(true)
	w.After(d, func() {
		if over != nil {
			over()
		}
		cut(false)
	})
}

// Reshape gives all ways these faults; or to each what draw gives, unless it is nil.
func (w *World) Reshape(f simnet.Faults, draw func(*rand.Rand) simnet.Faults) {
	n := len(w.hosts)
	for i := range n {
		for k := range n {
			for l := range w.Net.Links() {
				if draw != nil {
					f = draw(w.Rng)
				}
				if i != k {
					w.Net.Shape(view.ID(i+1), view.ID(k+1), uint8(l+1), f)
				}
			}
		}
	}
	w.Did("the network changes: "+f.String(), view.Member{}, view.Member{})
}

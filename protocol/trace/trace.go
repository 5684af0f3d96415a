// Package trace is how a machine tells what it did, without a log, a clock or a
// global of its own.
//
// A machine hands fixed-size [Event] values to a [Recorder]. The driver logs and
// counts them, tests print them, checkers read them. A machine whose recorder is nil
// builds none.
package trace

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Event is one thing that happened in one machine. What A, B and C mean is said at
// its Kind.
type Event struct {
	At      time.Time
	Node    view.ID // where it happened
	Peer    view.ID // whom it concerns, or Nobody
	Kind    Kind
	A, B, C uint64
}

// Recorder listens. Record must not keep the machine waiting and must not call it.
type Recorder interface {
	Record(Event)
}

// RecorderFunc lets a function be a Recorder.
type RecorderFunc func(Event)

// Record calls f.
func (f RecorderFunc) Record(e Event) { f(e) }

// String gives the event on one line: time, node, kind, peer, and the three numbers
// under the names of the kind.
func (e Event) String() string {
	s := fmt.Sprintf("%s %s %s", e.At.UTC().Format("15:04:05.000000"), e.Node, e.Kind)
	if e.Peer != view.Nobody {
		s += " peer=" + e.Peer.String()
	}
	for i, name := range e.Kind.Fields() {
		if name != "" {
			s += fmt.Sprintf(" %s=%d", name, [3]uint64{e.A, e.B, e.C}[i])
		}
	}
	return s
}

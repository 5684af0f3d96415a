package sim

import (
	"fmt"
	"hash/crc32"
	"math/bits"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// lastMax is how many of the last events a log keeps.
const lastMax = 40

// Log takes in everything that happens in a run: it keeps a hash of all and the last of
// the events. Two runs with the same hash did the same.
type Log struct {
	hash   uint64
	steps  uint64
	last   [lastMax]line
	kinds  [trace.KindCount]uint64
	bounds [8]uint64
	table  *crc32.Table
}

// line is one thing to show: a trace event, or something that the world did.
type line struct {
	at    time.Duration
	times int // it happened so often in a row, but for its numbers
	event trace.Event
	what  string
	from  view.Member
	to    view.Member
}

// NewLog makes an empty log.
func NewLog() *Log { return &Log{hash: 1, table: crc32.MakeTable(crc32.Castagnoli)} }

func (l *Log) mix(v uint64) {
	hi, lo := bits.Mul64(l.hash^v, 0x9e3779b97f4a7c15)
	l.hash = hi ^ lo ^ v
}

func (l *Log) keep(n line) {
	if l.steps > 0 && n.what == "" {
		p := &l.last[(l.steps-1)%lastMax]
		if e := &p.event; p.what == "" && e.Kind == n.event.Kind && e.Node == n.event.Node && e.Peer == n.event.Peer && repetitive(e.Kind) {
			n.times = p.times + 1
			*p = n
			return
		}
	}
	n.times = 1
	l.last[l.steps%lastMax] = n
	l.steps++
}

// repetitive says whether an event tells nothing new when it follows itself.
func repetitive(k trace.Kind) bool {
	return k == trace.Overflow || k == trace.Refused || k == trace.Dropped
}

// Event takes in a trace event.
func (l *Log) Event(at time.Duration, e trace.Event) {
	l.mix(uint64(at))
	l.mix(uint64(e.Node)<<32 | uint64(e.Peer)<<16 | uint64(e.Kind))
	l.mix(e.A)
	l.mix(e.B)
	l.mix(e.C)
	l.kinds[e.Kind]++
	if e.Kind == trace.Overflow && e.A < uint64(len(l.bounds)) {
		l.bounds[e.A]++
	}
	l.keep(line{at: at, event: e})
}

// Datagram takes in a datagram that arrived.
func (l *Log) Datagram(at time.Duration, from view.Member, to view.ID, link uint8, frame []byte) {
	l.mix(uint64(at))
	l.mix(uint64(from.ID)<<32 | uint64(to)<<16 | uint64(link))
	l.mix(uint64(from.Incarnation))
	l.Bytes(frame)
}

// Bytes takes in anything.
func (l *Log) Bytes(b []byte) {
	l.mix(uint64(crc32.Checksum(b, l.table))<<16 | uint64(len(b)))
}

// Did takes in something that the world did: a crash, a cut. what is shown as it is,
// followed by the members that are known.
func (l *Log) Did(at time.Duration, what string, from, to view.Member) {
	l.mix(uint64(at))
	l.Bytes([]byte(what))
	l.mix(uint64(from.ID)<<32 | uint64(to.ID))
	l.keep(line{at: at, what: what, from: from, to: to})
}

// Count is how many events of a kind there were.
func (l *Log) Count(k trace.Kind) uint64 { return l.kinds[k] }

// Hash sums up all that was taken in.
func (l *Log) Hash() uint64 { return l.hash }

// Last gives the last events, the oldest first, a line each.
func (l *Log) Last() []string {
	var lines []string
	for i := max(l.steps, lastMax) - lastMax; i < l.steps; i++ {
		n := l.last[i%lastMax]
		text := fmt.Sprintf("%12v  ", n.at)
		switch {
		case n.what == "":
			text += n.event.String()
			if n.times > 1 {
				text += fmt.Sprintf(", the last of %d in a row", n.times)
			}
		case n.to.ID != view.Nobody:
			text += fmt.Sprintf("-- %s %v to %v", n.what, n.from, n.to)
		case n.from.ID != view.Nobody:
			text += fmt.Sprintf("-- %s %v", n.what, n.from)
		default:
			text += "-- " + n.what
		}
		lines = append(lines, text)
	}
	return lines
}

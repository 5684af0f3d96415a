package driver

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// journal turns what machines tell into log lines, and counts it. Its owner is who has
// the turn.
type journal struct {
	log     *slog.Logger
	names   map[view.ID]string
	counts  [trace.KindCount]uint64
	dropped map[view.ID]*[wire.ReasonCount]uint64 // by the machines, by who sent it
	changes []trace.Event                         // of views, the latest: for the history of a group
	refused map[view.ID]time.Time                 // when it was last logged that a join was
}

// refusedEvery is how often the log says of a peer that a join was refused: it is with each pulse, for as long as
// nobody mends the configuration.
const refusedEvery = time.Minute

// changesMax is how many events of view changes are kept: of one change there are a few.
const changesMax = 64

func newJournal(log *slog.Logger, candidates []cohort.Candidate) *journal {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	j := &journal{log: log, names: make(map[view.ID]string), dropped: make(map[view.ID]*[wire.ReasonCount]uint64), refused: make(map[view.ID]time.Time)}
	for _, c := range candidates {
		j.names[c.ID] = c.Name
	}
	return j
}

// name gives a member's name, or its number if it has none.
func (j *journal) name(id view.ID) string {
	if name, ok := j.names[id]; ok {
		return name
	}
	return id.String()
}

// loudness says how loud an event is; what is not here is for debugging.
var loudness = map[trace.Kind]slog.Level{
	trace.PeerJoined: slog.LevelInfo, trace.Suspected: slog.LevelWarn, trace.Trusted: slog.LevelInfo,
	trace.Flapping: slog.LevelWarn, trace.Paused: slog.LevelWarn, trace.LinkSilent: slog.LevelWarn,
	trace.LinkHeard: slog.LevelInfo, trace.ViewInstalled: slog.LevelInfo, trace.Blocked: slog.LevelWarn,
	trace.Unblocked: slog.LevelInfo, trace.Expelled: slog.LevelWarn, trace.Departed: slog.LevelInfo,
	trace.JoinRefused: slog.LevelWarn, trace.SlowMember: slog.LevelWarn, trace.FlushWaited: slog.LevelWarn,
	trace.Identified: slog.LevelWarn, trace.StateBegan: slog.LevelInfo, trace.StateDone: slog.LevelInfo,
	trace.StateFailed: slog.LevelWarn,
}

// record logs and counts one event.
func (j *journal) record(e trace.Event) {
	j.counts[e.Kind]++
	if e.Kind == trace.ViewInstalled || e.Kind == trace.FlushWaited {
		if len(j.changes) == changesMax {
			j.changes = slices.Delete(j.changes, 0, 1)
		}
		j.changes = append(j.changes, e)
	}
	if e.Kind == trace.Dropped && e.A < uint64(wire.ReasonCount) {
		d := j.dropped[e.Peer]
		if d == nil {
			d = new([wire.ReasonCount]uint64)
			j.dropped[e.Peer] = d
		}
		d[e.A]++
	}
	level, ok := loudness[e.Kind]
	if !ok {
		level = slog.LevelDebug
	}
	if e.Kind == trace.JoinRefused {
		if last, is := j.refused[e.Peer]; is && e.At.Sub(last) < refusedEvery {
			level = slog.LevelDebug
		} else {
			j.refused[e.Peer] = e.At
		}
	}
	if !j.log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 4)
	if e.Peer != view.Nobody {
		attrs = append(attrs, slog.String("peer", j.name(e.Peer)))
	}
	for i, name := range e.Kind.Fields() {
		v := [3]uint64{e.A, e.B, e.C}[i]
		switch {
		case name == "":
		case name == "reason" && e.Kind == trace.Dropped:
			attrs = append(attrs, slog.String(name, wire.Reason(v).String()))
		default:
			attrs = append(attrs, slog.Uint64(name, v))
		}
	}
	j.log.LogAttrs(context.Background(), level, e.Kind.String(), attrs...)
}

// trouble logs what an operator should know.
func (j *journal) trouble(what string, err error) { j.log.Error(what, "error", err) }

// counters gives what was counted, by name.
func (j *journal) counters() map[string]uint64 {
	all := make(map[string]uint64)
	for kind, n := range j.counts {
		if n > 0 {
			all[trace.Kind(kind).String()] = n
		}
	}
	return all
}

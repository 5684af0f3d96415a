package daemon

import (
	"context"
	"log/slog"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// journal turns trace events into log lines, and counts them.
type journal struct {
	log    *slog.Logger
	file   *config.File
	counts [trace.KindCount]uint64
}

// levels says how loud an event is; what is not here is for debugging.
var levels = [trace.KindCount]slog.Level{
	trace.PeerJoined: slog.LevelInfo, trace.SyncDone: slog.LevelInfo, trace.SyncReceived: slog.LevelInfo,
	trace.Diverged: slog.LevelWarn, trace.Overflow: slog.LevelWarn, trace.Refused: slog.LevelWarn,
	trace.PeerAway: slog.LevelInfo, trace.LinkHeard: slog.LevelInfo, trace.LinkSilent: slog.LevelWarn,
	trace.PeerSilent: slog.LevelWarn, trace.PeerHeard: slog.LevelInfo, trace.Promoting: slog.LevelWarn,
	trace.Activated: slog.LevelWarn, trace.Yielded: slog.LevelWarn, trace.Contested: slog.LevelError,
	trace.HandedOver: slog.LevelInfo, trace.HealthFell: slog.LevelWarn, trace.HealthRose: slog.LevelInfo,
	trace.GaveUp: slog.LevelWarn, trace.Withdrew: slog.LevelInfo,
	trace.Paused: slog.LevelWarn, trace.Identified: slog.LevelWarn,
	trace.Dropped: slog.LevelDebug, trace.SyncBegan: slog.LevelDebug, trace.SyncSent: slog.LevelDebug,
	trace.Nacked: slog.LevelDebug, trace.Resent: slog.LevelDebug, trace.Proven: slog.LevelDebug,
	trace.Behind: slog.LevelDebug,
}

// Record logs one event.
func (j *journal) Record(e trace.Event) {
	j.counts[e.Kind]++
	level := levels[e.Kind]
	if !j.log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 4)
	if e.Peer != view.Nobody {
		attrs = append(attrs, slog.String("peer", j.file.Cluster.NameOf(e.Peer)))
	}
	for i, name := range e.Kind.Fields() {
		if name == "" {
			continue
		}
		v := [3]uint64{e.A, e.B, e.C}[i]
		switch {
		case name == "reason" && e.Kind == trace.Dropped:
			attrs = append(attrs, slog.String(name, wire.Reason(v).String()))
		case name == "reason":
			attrs = append(attrs, slog.String(name, takeover.Reason(v).String()))
		case name == "link":
			attrs = append(attrs, slog.String(name, linkLabel(j.file, int(v))))
		default:
			attrs = append(attrs, slog.Uint64(name, v))
		}
	}
	j.log.LogAttrs(context.Background(), level, e.Kind.String(), attrs...)
}

// linkLabel gives the label of a link by its number, from 1.
func linkLabel(f *config.File, number int) string {
	if links := f.Self().Links; number >= 1 && number <= len(links) {
		return links[number-1].Label
	}
	return "?"
}

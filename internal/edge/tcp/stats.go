package tcp

import (
	"slices"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Stats gives the counters of all links, in their order. It is a copy. Bytes are those of
// frames in their envelopes, with their lengths. What was queued counts as sent, whatever
// became of the stream.
func (t *Transport) Stats() []link.Stats {
	ids := make([]view.ID, 0, len(t.peers))
	for id := range t.peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	all := make([]link.Stats, len(t.ports))
	for i, p := range t.ports {
		s := &all[i]
		s.Label, s.Dropped, s.LastReason = p.label, p.dropped, p.lastDrop
		if p.lastDrop != wire.OK {
			s.LastSource = p.lastFrom
		}
		if t.clock().Sub(p.twinAt) < link.RefusalMax {
			s.Twin, s.TwinSource = p.twin, p.twinFrom
		}
		if p.sendError != 0 {
			s.SendError = p.sendError
		}
		if p.readError != 0 {
			s.ReceiveError = p.readError
		}
		for _, id := range ids {
			w := &t.peers[id].ways[i]
			if w.Size == 0 {
				continue
			}
			s.Paths = append(s.Paths, link.PathStats{
				Peer: id, Connected: w.stream != nil && w.stream.stage == up,
				In: w.in, Out: w.out, Duplicates: w.duplicates, Dropped: w.dropped, Lost: w.lost,
			})
		}
	}
	return all
}

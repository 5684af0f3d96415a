package cast

import (
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Counts are sums since New, of frames posted, one for several members counting once.
type Counts struct {
	Packets uint64 // of the own stream, for the first time
	Repeats uint64 // of any stream
	Acks    uint64 // all of them
	Probes  uint64 // those that ask for an answer because something is not acknowledged
	Nacks   uint64
}

// Standing is where one member of the view stands.
type Standing struct {
	ID       view.ID
	Received uint64 // packets of this member's stream that it has, without a gap
	Released uint64 // and is done with
	Here     uint64 // packets of its stream that are here, without a gap
	Known    uint64 // packets of its stream that are known to exist
	Kept     int    // packets of its stream between the first and the last that is kept
}

// Stats are what `holdfast group why` shows of the streams.
type Stats struct {
	Window    int // packets that this member may be ahead of the slowest
	Used      int // packets that it is
	Effective int // packets that the network is given at once
	Last      uint64
	Sent      uint64 // of Last packets; the others wait for the network
	Frozen    bool
	Members   []Standing // by rank; witnesses have zeros
	Counts    Counts
}

// Stats are how things are now.
func (m *Machine) Stats() Stats {
	st := Stats{Window: m.cfg.Window, Counts: m.counts, Frozen: m.frozen}
	if m.rank < 0 {
		return st
	}
	st.Used, st.Effective, st.Last, st.Sent = int(m.last-m.freed), m.window.size, m.last, m.sent
	for i := range m.seats {
		st.Members = append(st.Members, Standing{ID: m.seats[i].ID})
		if s := &m.streams[i]; !m.seats[i].Witness {
			st.Members[i] = Standing{
				ID: m.seats[i].ID, Received: m.seats[i].acked[m.rank], Released: m.seats[i].released,
				Here: s.next - 1, Known: s.told, Kept: int(max(s.high, s.base-1) - (s.base - 1)),
			}
		}
	}
	return st
}

// Drops counts the payloads that were dropped, by reason.
func (m *Machine) Drops() [wire.ReasonCount]uint64 { return m.drops }

package cohort

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/transfer"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// serveMax is for how long a member that wants to leave goes on serving a joiner that does
// not ask for anything.
const serveMax = 5 * time.Second

// serving is the state that this member gives to joiners.
type serving struct {
	cut   view.Name
	to    []view.Member
	until time.Time // when the joiners are taken for gone, if they ask for nothing more
}

// busy says whether somebody still needs this member's state.
func (s *serving) busy(now time.Time) bool { return len(s.to) > 0 && now.Before(s.until) }

// fetch begins to fetch the state as it is at the beginning of the present view.
func (g *Group) fetch(now time.Time, donor view.Member) {
	g.fetching, g.cut = donor, g.current.Name
	g.put(Delivery{Kind: StateBegan, From: donor})
	g.state.Fetch(now, donor, g.cut, &g.moved)
}

// put delivers what must come before all that is held.
func (g *Group) put(d Delivery) {
	d.Group = g
	g.ready = append(g.ready, d)
}

// abandon ends the fetching, if there is any: what was fetched and what came since is void.
func (g *Group) abandon(now time.Time) {
	if !g.fetching.Known() {
		return
	}
	g.state.Abort(now)
	g.fetching = view.Member{}
	g.held, g.spooled, g.pinned = g.held[:0], 0, false
	g.put(Delivery{Kind: StateFailed})
}

// orphaned deals with the loss of the donor. If others have the state, this member goes
// out and comes in again, at a cut at which one of them gives it. If it is itself the most
// senior now, nobody has it any more.
func (g *Group) orphaned(now time.Time, c group.Command, donor view.Member) {
	g.abandon(now)
	if donor.ID == g.node.cfg.Self.ID {
		c.Former = nil
		g.viewed(c)
		g.offer(now, c, donor)
		return
	}
	g.members.Restart(now, &g.told)
}

// offer asks the owner for the state, if this member is the one who gives it and somebody
// needs it.
func (g *Group) offer(now time.Time, c group.Command, donor view.Member) {
	if donor != g.node.cfg.Self {
		return
	}
	var joiners []view.Member
	for _, s := range c.View.Seats {
		if !s.Witness && s.Member != donor && !c.Founded && !has(c.Former, s.Member) {
			joiners = append(joiners, s.Member)
		}
	}
	if len(joiners) == 0 {
		return
	}
	g.serving = serving{cut: c.View.Name, to: joiners, until: now.Add(serveMax)}
	g.emit(Delivery{Kind: Wanted, View: c.View, Missing: joiners})
}

func has(list []view.Member, m view.Member) bool {
	for _, x := range list {
		if x == m {
			return true
		}
	}
	return false
}

// Serve says that the owner has the state that Wanted asked for, of total bytes if that is
// known; ChunkWanted then asks for its pieces.
func (g *Group) Serve(now time.Time, total uint64, known bool) {
	g.node.begin()
	g.state.Offer(now, g.serving.cut, total, known)
}

// Chunk answers ChunkWanted. Fewer bytes than wanted are fine; none means not yet.
func (g *Group) Chunk(now time.Time, to view.ID, offset uint64, data []byte, last bool, out *Output) {
	g.node.begin()
	for _, m := range g.serving.to {
		if m.ID == to {
			g.state.Data(now, m, g.serving.cut, offset, data, last, &g.moved)
		}
	}
	g.move(now)
}

// move passes on what the state transfer put out.
func (g *Group) move(now time.Time) {
	for _, a := range g.moved.Asks {
		if a.Cut == g.serving.cut && has(g.serving.to, a.To) {
			g.serving.until = now.Add(serveMax)
			g.put(Delivery{Kind: ChunkWanted, Peer: a.To.ID, Number: a.Offset, Last: uint64(a.Size)})
		}
	}
	for _, c := range g.moved.Chunks {
		g.put(Delivery{Kind: StateChunk, From: g.fetching, Number: c.Offset, Payload: append([]byte(nil), c.Data...)})
	}
	for _, e := range g.moved.Events {
		g.moveEnded(now, e)
	}
	g.moved.Asks, g.moved.Chunks, g.moved.Events = g.moved.Asks[:0], g.moved.Chunks[:0], g.moved.Events[:0]
}

func (g *Group) moveEnded(now time.Time, e transfer.Event) {
	switch {
	case !g.fetching.Known():
	case e.Kind == transfer.Done:
		g.put(Delivery{Kind: StateDone, From: g.fetching})
		g.fetching = view.Member{}
	default:
		g.abandon(now)
		g.members.Restart(now, &g.told)
		g.obey(now)
	}
}

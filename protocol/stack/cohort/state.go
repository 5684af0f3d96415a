package cohort

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/transfer"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

const (
	// serveMax is after how long without a question from its joiners a state counts as not
	// needed any more.
	serveMax = 5 * time.Second

	// stayMax is for how long a member that wants to leave stays for a joiner that asks for
	// nothing.
	stayMax = time.Second

	// serveLate is how long the owner may take until it has the state.
	serveLate = time.Minute
)

// serving is the state that this member gives to joiners, as it is at the beginning of a view.
type serving struct {
	view  *view.View
	to    []view.Member
	given bool      // the owner has it
	asked time.Time // when it was last asked for, or wanted
}

// over says whether nobody needs it any more.
func (s *serving) over(now time.Time) bool { return now.After(s.end()) }

func (s *serving) end() time.Time {
	if s.given {
		return s.asked.Add(serveMax)
	}
	return s.asked.Add(serveLate)
}

// serves says whether a joiner may still need this member's state.
func (g *Group) serves(now time.Time) bool {
	for i := range g.servings {
		if now.Before(g.servings[i].asked.Add(stayMax)) {
			return true
		}
	}
	return false
}

// served is the serving of a cut, or nil.
func (g *Group) served(cut view.Name) *serving {
	for i := range g.servings {
		if g.servings[i].view.Name == cut {
			return &g.servings[i]
		}
	}
	return nil
}

// endServing forgets states that nobody needs any more.
func (g *Group) endServing(now time.Time) {
	kept := g.servings[:0]
	for _, s := range g.servings {
		if s.over(now) {
			g.state.Withdraw(s.view.Name)
			g.ask(Delivery{Kind: Unwanted, View: s.view, Missing: s.to})
			continue
		}
		kept = append(kept, s)
	}
	g.servings = kept
}

// fetch begins to fetch the state as it is at the beginning of the present view.
func (g *Group) fetch(now time.Time, donor view.Member) {
	g.fetching, g.cut = donor, g.current.Name
	g.members.Await(donor.ID)
	g.put(Delivery{Kind: StateBegan, From: donor})
	g.state.Fetch(now, donor, g.cut, &g.moved)
}

// abandon ends the fetching, if there is any: what was fetched and what came since is void.
func (g *Group) abandon(now time.Time) {
	if !g.fetching.Known() {
		return
	}
	g.state.Abort(now)
	g.fetching = view.Member{}
	g.members.Await(view.Nobody)
	g.put(Delivery{Kind: StateFailed})
	for i := range g.hold.behind {
		if d := &g.hold.behind[i]; d.Kind == Message && d.From == g.node.cfg.Self {
			g.put(Delivery{Kind: Lost, Number: d.Number, Last: d.Number})
		}
	}
	g.forget()
}

// offer asks the owner for the state, if this member is the one who gives it and somebody
// needs it.
func (g *Group) offer(now time.Time, c group.Command, donor view.Member) {
	if donor != g.node.cfg.Self {
		return
	}
	var joiners []view.Member
	for _, s := range c.View.Seats {
		if !s.Witness && s.Member != donor && !has(c.Former, s.Member) {
			joiners = append(joiners, s.Member)
		}
	}
	if len(joiners) == 0 {
		return
	}
	g.servings = append(g.servings, serving{view: c.View, to: joiners, asked: now})
	d := Delivery{Kind: Wanted, View: c.View, Missing: joiners}
	if canary == HastyCut {
		g.ask(d)
		return
	}
	g.emit(d)
}

func has(list []view.Member, m view.Member) bool {
	for _, x := range list {
		if x == m {
			return true
		}
	}
	return false
}

// Serve says that the owner has the state that was wanted at the beginning of a view, of
// total bytes if that is known; ChunkWanted then asks for its pieces. It reports false, and nothing is
// asked for, if the owner took so long that nobody wants it any more.
func (g *Group) Serve(now time.Time, cut view.Name, total uint64, known bool) bool {
	now = g.node.begin(now)
	s := g.served(cut)
	if s == nil || g.over {
		return false
	}
	s.given, s.asked = true, now
	g.state.Offer(now, cut, total, known)
	return true
}

// Chunk answers ChunkWanted, at once or later: the bytes are those of the state at the cut that it names.
// Fewer than wanted are fine; none means not yet.
func (g *Group) Chunk(now time.Time, cut view.Name, to view.ID, offset uint64, data []byte, last bool, out *Output) {
	now = g.node.begin(now)
	if s := g.served(cut); s != nil {
		for _, m := range s.to {
			if m.ID == to {
				g.state.Data(now, m, cut, offset, data, last, &g.moved)
			}
		}
	}
	g.move(now)
}

// move passes on what the state transfer put out.
func (g *Group) move(now time.Time) {
	for i := 0; i < len(g.moved.Asks); i++ {
		a := g.moved.Asks[i]
		if s := g.served(a.Cut); s != nil && has(s.to, a.To) {
			s.asked = now
			g.ask(Delivery{Kind: ChunkWanted, View: s.view, Peer: a.To.ID, Number: a.Offset, Last: uint64(a.Size)})
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
		g.members.Await(view.Nobody)
		g.stateCame()
	default:
		g.abandon(now)
		g.restart(now, true)
	}
}

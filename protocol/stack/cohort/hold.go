package cohort

// hold keeps deliveries back, in two places: behind the state that is being fetched, and
// for an owner that is slow. What comes out of the first goes into the second.
type hold struct {
	behind  []Delivery // waits for the state
	slow    []Delivery // waits for the owner
	spooled int        // bytes of copies in behind
	pinned  bool       // something lies in the streams' packets, which must stay
}

// empty says whether nothing is kept back.
func (h *hold) empty() bool { return len(h.behind)+len(h.slow) == 0 }

// bytes is how much waits, in copies and in the streams' packets.
func (h *hold) bytes() int {
	n := 0
	for _, list := range [][]Delivery{h.behind, h.slow} {
		for i := range list {
			n += list[i].Size()
		}
	}
	return n
}

// emit delivers something that belongs after the state, if that is being fetched.
func (g *Group) emit(d Delivery) {
	d.Group = g
	if g.fetching.Known() {
		g.hold.behind = append(g.hold.behind, d)
		return
	}
	g.put(d)
}

// put delivers something in its place, state or not.
func (g *Group) put(d Delivery) {
	d.Group = g
	if g.throttled || len(g.hold.slow) > 0 {
		g.hold.slow = append(g.hold.slow, d)
		return
	}
	g.ready = append(g.ready, d)
}

// ask delivers a question about what the owner serves, at once.
func (g *Group) ask(d Delivery) {
	d.Group = g
	g.ready = append(g.ready, d)
}

// emitMessage is emit for a message whose payload lies in the streams' packets, if it has no
// memory of its own already. A joiner that fetches the state copies it, so that the group
// does not wait for the joiner; what is kept back otherwise stays in the packets, and so
// in the senders' windows.
func (g *Group) emitMessage(d Delivery, copied bool) {
	h := &g.hold
	if canary == FastPath && !g.fetching.Known() {
		g.ask(d)
		return
	}
	switch {
	case copied:
	case g.fetching.Known() && h.spooled+d.Size() <= spoolMax:
		d.keep()
		h.spooled += len(d.Payload)
	case g.fetching.Known() || g.throttled || len(h.slow) > 0:
		h.pinned = true
	}
	if canary == EarlyMessage {
		g.put(d)
		return
	}
	g.emit(d)
}

// stateCame lets out what waited for the state.
func (g *Group) stateCame() {
	for _, d := range g.hold.behind {
		g.put(d)
	}
	g.forget()
}

// forget drops what waits for a state that will not come, or has let it out.
func (g *Group) forget() {
	clear(g.hold.behind)
	g.hold.behind, g.hold.spooled = g.hold.behind[:0], 0
	g.hold.pinned = g.hold.pinned && len(g.hold.slow) > 0
}

// release hands over what waited for the owner, when it is not slow any more.
func (g *Group) release() {
	h := &g.hold
	if g.throttled || len(h.slow) == 0 {
		return
	}
	n := min(len(h.slow), batchMax)
	g.ready = append(g.ready, h.slow[:n]...)
	rest := copy(h.slow, h.slow[n:])
	clear(h.slow[rest:])
	h.slow = h.slow[:rest]
	h.pinned = h.pinned && !h.empty()
}

// unpin gives what is held memory of its own, since the streams it lies in end.
func (g *Group) unpin() {
	if !g.hold.pinned {
		return
	}
	for _, list := range [][]Delivery{g.hold.behind, g.hold.slow} {
		for i := range list {
			list[i].keep()
		}
	}
	g.hold.pinned = false
}

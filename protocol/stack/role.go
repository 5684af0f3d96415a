package stack

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// settle carries what one machine says to the other and to the service, until neither
// has more to say.
func (s *Stack) settle(now time.Time, out *Output) {
	for {
		s.follow(now)
		s.obey(now, out)
		s.take(now, out)
		s.quiet(now)
		if !s.tell(now, out) {
			return
		}
	}
}

// follow notes who is active, and what became of a promotion.
func (s *Stack) follow(now time.Time) {
	if s.commit.epoch != 0 && !s.owning && s.takeover.Role() == takeover.Standby {
		s.commit = commit{} // withdrawn; what was injected is the mirror's to judge
		s.mirror.want()
	}
	active := s.takeover.Active()
	if s.owning && s.disownAt.IsZero() && active.Known() && s.takeover.Role() == takeover.Standby {
		// Told to raise and beaten to it in one step: the other was seen before we owned.
		s.disownAt = now.Add(linger)
	}
	if active == s.active {
		return
	}
	s.active = active
	switch {
	case active == s.cfg.Self:
		s.disownAt = time.Time{}
	case active.Known():
		s.predecessor = active
		s.mirror.want() // another's state is the state now
		if s.owning && s.disownAt.IsZero() {
			s.disownAt = now.Add(linger)
		}
	}
}

// obey turns the takeover's commands into the service's.
func (s *Stack) obey(now time.Time, out *Output) {
	for _, c := range out.takeover.Deliver {
		switch c.Verb {
		case takeover.Commit:
			s.beginCommit(c.Epoch, out)
		case takeover.Raise:
			s.own(now)
			out.Do = append(out.Do, Command{Verb: Raise, Epoch: c.Epoch})
		case takeover.Lower:
			out.Do = append(out.Do, Command{Verb: Lower, Epoch: c.Epoch})
		case takeover.Announce:
			out.Do = append(out.Do, Command{Verb: Announce, Epoch: c.Epoch})
		}
	}
	out.takeover.Deliver = out.takeover.Deliver[:0]
}

// own makes this node a source: what its table holds is its state now.
func (s *Stack) own(now time.Time) {
	s.disownAt = time.Time{}
	s.graceUntil = now.Add(linger)
	s.commit = commit{}
	if !s.owning {
		s.owning = true
		s.proxy.Begin(now)
		s.mirror.want()
	}
}

// disown ends that: the successor's state is the only one.
func (s *Stack) disown(now time.Time) {
	s.owning, s.disownAt = false, time.Time{}
	s.proxy.Clear(now)
	s.mirror.want()
}

// inject goes on with what is done in chunks.
func (s *Stack) inject(now time.Time, out *Output) {
	if !s.disownAt.IsZero() && !now.Before(s.disownAt) {
		s.disown(now)
	}
	if s.commit.epoch != 0 && !s.commit.marked {
		s.commitOn(out)
	}
	s.mirrorOn(now, out)
}

// beginCommit begins to put all replicated state into the table. Only two have it there
// already: a source, and a mirror that is known to be equal. Another mirror is given all
// that the last active told. A node that was active a moment ago and is to be so again has
// objects in its table that it tracked itself, and that have moved on elsewhere since: each
// is told to the table again, first as it was known here, then as the other knew it.
func (s *Stack) beginCommit(epoch view.Epoch, out *Output) {
	s.commit = commit{epoch: epoch, last: s.predecessor.ID}
	switch lingering := s.owning && !s.disownAt.IsZero(); {
	case lingering:
		s.commit.own = true
	case s.owning || s.mirror.equal || canary == HollowCommit:
		s.markCommit(out)
	case s.cfg.Inject == Continuously && s.predecessor.Known():
		s.commit.peer = len(s.peers) - 1 // a mirror has nobody else's
	}
}

// commitOn goes on with a commit, a chunk at a time.
func (s *Stack) commitOn(out *Output) {
	c := &s.commit
	switch {
	case c.own:
		c.cursor = s.proxy.Own(c.cursor, chunk, func(key, state []byte) { out.object(Change, key, state) })
		c.own = c.cursor != 0
	case c.peer == len(s.peers):
		s.markCommit(out)
	default:
		c.cursor = s.proxy.Held(s.inTurn(c.peer, c.last).id, c.cursor, chunk, func(key, state []byte) {
			out.object(Put, key, state)
		})
		if c.cursor == 0 {
			c.peer++
		}
	}
}

// inTurn gives the peers in the order in which what they told is put into the table. What
// the last active told comes last: others told theirs before it.
func (s *Stack) inTurn(n int, last view.ID) *peer {
	for i := range s.peers {
		if s.peers[i].id == last {
			continue
		}
		if n == 0 {
			return &s.peers[i]
		}
		n--
	}
	return s.peer(last)
}

func (s *Stack) markCommit(out *Output) {
	s.commit.marked = true
	out.Do = append(out.Do, Command{Verb: Commit, Epoch: s.commit.epoch})
}

// mirrors says whether changes of an external cache go into the table as they come.
func (s *Stack) mirrors() bool {
	return !s.owning && (s.cfg.Inject == Continuously || s.commit.epoch != 0)
}

// teller is whose state counts: the active's, and while there is none the last one's. What
// others still tell, or clear, must not spoil what is about to be all there is. Nobody:
// nobody was active yet.
func (s *Stack) teller() view.ID {
	if s.active.ID != view.Nobody {
		return s.active.ID
	}
	return s.predecessor.ID
}

// take carries the changes of the external caches to the service.
func (s *Stack) take(now time.Time, out *Output) {
	for _, d := range out.proxy.Deliver {
		switch {
		case d.Verb == stateproxy.Complete:
			if !s.owning && d.From == s.active.ID {
				s.mirror.want()
			}
		case s.owning:
			if d.Verb != stateproxy.Delete && d.From == s.predecessor.ID && now.Before(s.graceUntil) && canary != NoGrace {
				if _, known := s.proxy.State(d.Key); !known {
					s.mirror.witness(d.Key)
					s.proxy.Put(now, d.Key, d.State)
					out.object(Create, d.Key, d.State)
				}
			}
		case !s.mirrors() || s.teller() != view.Nobody && d.From != s.teller():
		case d.Verb == stateproxy.Put:
			out.object(Put, d.Key, d.State)
		case d.Verb == stateproxy.Change:
			out.object(Change, d.Key, d.State)
		case d.Verb == stateproxy.Delete:
			out.object(Remove, d.Key, nil)
		}
	}
	out.proxy.Deliver = out.proxy.Deliver[:0]
}

// quiet stops queueing for peers that are silent.
func (s *Stack) quiet(now time.Time) {
	for i := range s.peers {
		if p := &s.peers[i]; p.silent {
			s.proxy.Away(now, p.id)
		} else {
			s.proxy.Near(p.id)
		}
	}
}

// tell tells the takeover what the proxy knows. It reports whether that may have made
// it say more.
func (s *Stack) tell(now time.Time, out *Output) bool {
	said := len(out.takeover.Deliver)
	if synced := s.complete(); synced != s.synced {
		s.synced = synced
		s.takeover.Synced(now, synced, &out.takeover)
	}
	for i := range s.peers {
		p := &s.peers[i]
		if proven := s.owning && s.settled(now, p.id); proven != p.proven {
			p.proven = proven
			s.takeover.Proven(now, p.id, proven, &out.takeover)
		}
	}
	if !s.owning && s.active.Known() && s.synced || s.owning && !s.mirror.busy() {
		for i := range s.peers {
			s.proxy.Release(s.peers[i].id, &out.proxy)
		}
	}
	return len(out.takeover.Deliver) > said || len(out.proxy.Deliver) > 0
}

// complete says whether our copy of the active's state is complete. Without an active
// it is what it was.
func (s *Stack) complete() bool {
	switch s.active.ID {
	case view.Nobody:
		return s.synced
	case s.cfg.Self.ID:
		return true
	}
	return s.proxy.Complete(s.active)
}

// settled says whether a peer has all that was settled a moment ago.
func (s *Stack) settled(now time.Time, id view.ID) bool {
	state, proven := s.proxy.Confirmed(now, id)
	return state == stateproxy.Proven || state == stateproxy.Behind && now.Sub(proven) < settledWithin
}

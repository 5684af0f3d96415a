package service

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// voice is what a replica's state was at some index, in one of its copies.
type voice struct {
	node  view.Member
	copy  int
	state uint64
}

// standing is how a replica stands to the others.
type standing struct {
	copy     int    // of the state, from 1; a new one each time that it is given another
	has      bool   // it has a state
	told     bool   // index and state are known
	index    uint64 // of the latest state that was told
	state    uint64 // at it
	most     uint64 // the greatest index it ever came to in this life of the service
	halted   bool
	episodes []episode // copies that differed somewhere from another replica's, oldest first
}

// episode is a copy that differed from another replica's, and where it did.
type episode struct {
	copy  int
	spots []place
}

// latest is the latest copy that differed; nil if none did.
func (s *standing) latest() *episode {
	if len(s.episodes) == 0 {
		return nil
	}
	return &s.episodes[len(s.episodes)-1]
}

// pair is who said something of whom.
type pair struct{ node, peer view.Member }

// honesty: replicas whose states differ are named and restored, or all stop; and nobody is
// named whose state is that of the others.
type honesty struct {
	setting  Setting
	life     int
	calm     bool
	replicas map[view.Member]*standing
	voices   map[place][]voice
	reported map[pair]int        // how many episodes of the peer its words were about
	episodes int                 // of all
	stopped  map[view.Member]int // up to which of them a reason to stop is used up
}

// Honesty judges at once whether those who are named differ from others, whether those who
// stop have a reason and do stop, and whether what is said to be proven was so; and at the
// end, after calm, whether all states are the same where they can be compared, unless some have halted. A
// word about a copy that has been replaced since is taken once from each member: it was late.
func Honesty(s Setting) Judge {
	return &honesty{setting: s, replicas: map[view.Member]*standing{}, voices: map[place][]voice{}, reported: map[pair]int{}, stopped: map[view.Member]int{}}
}

// Promise names the promise.
func (j *honesty) Promise() string { return "honesty" }

// Hear judges.
func (j *honesty) Hear(f *Fact) error {
	switch f.Kind {
	case Executed, Skipped:
		s := j.replica(f.Node)
		if s.halted {
			return fmt.Errorf("%v has said that it stops since replicas differ, and executes command %d", f.Node, f.Index)
		}
		s.has = true
		j.tell(f.Node, s, f.Index, f.State)
	case Restored:
		s := j.replica(f.Node)
		s.replace()
		s.has = true
		j.tell(f.Node, s, f.Index, f.State)
	case Fell:
		j.replica(f.Node).replace()
	case Perished:
		j.life++
		for _, s := range j.replicas { //tidy:unordered each is treated for itself
			s.replace()
			s.most = 0
		}
	case Named:
		return j.named(f)
	case Halted:
		return j.haltedBy(f.Node)
	case Proven:
		return j.proven(f)
	case Calmed:
		j.calm = true
	case Ended:
		if j.calm {
			return j.end()
		}
	}
	return nil
}

// replace is when a copy is gone.
func (s *standing) replace() {
	s.copy++
	s.has, s.told, s.halted = false, false, false
}

func (j *honesty) replica(m view.Member) *standing {
	s := j.replicas[m]
	if s == nil {
		s = &standing{copy: 1}
		j.replicas[m] = s
	}
	return s
}

// tell takes a state down, and notes who differs by it.
func (j *honesty) tell(m view.Member, s *standing, index, state uint64) {
	s.most = max(s.most, index)
	if state == 0 {
		return
	}
	s.told, s.index, s.state = true, index, state
	at := place{j.life, index}
	others := j.voices[at]
	for _, v := range others {
		if v.state == state || v.node == m {
			continue
		}
		o := j.replicas[v.node]
		j.differ(o, v.copy, at)
		if o.copy == v.copy { // who differs from a copy that is gone need not be the one that is wrong
			j.differ(s, s.copy, at)
		}
	}
	j.voices[at] = append(others, voice{m, s.copy, state})
}

// differ notes that a copy differed from another replica's.
func (j *honesty) differ(s *standing, copy int, at place) {
	e := s.latest()
	if e == nil || copy > e.copy {
		s.episodes = append(s.episodes, episode{copy: copy})
		j.episodes++
		e = s.latest()
	}
	if n := len(e.spots); copy == e.copy && (n == 0 || e.spots[n-1] != at) {
		e.spots = append(e.spots, at)
	}
}

// differs says whether the copy that a replica has differed somewhere from one that another
// has still.
func (j *honesty) differs(m view.Member, s *standing) bool {
	e := s.latest()
	if e == nil || e.copy != s.copy || !s.has {
		return false
	}
	for _, at := range e.spots {
		own := j.own(m, e, at)
		for _, v := range j.voices[at] {
			if v.state != own && j.replicas[v.node].copy == v.copy {
				return true
			}
		}
	}
	return false
}

// own is what the state of a replica's copy that differed was somewhere.
func (j *honesty) own(m view.Member, e *episode, at place) uint64 {
	for _, v := range j.voices[at] {
		if v.node == m && v.copy == e.copy {
			return v.state
		}
	}
	return 0
}

// named judges whether a member may say that another has diverged. The word may be late, and about a copy that
// is gone: so it is taken for the first one that was wrong and that this member has said nothing of.
func (j *honesty) named(f *Fact) error {
	s, who := j.replica(f.Peer), pair{f.Node, f.Peer}
	from, differs := j.reported[who], j.differs(f.Peer, s)
	if from >= len(s.episodes) && !differs {
		return fmt.Errorf("%v says that %v has diverged, and its state is that of the others", f.Node, f.Peer)
	}
	if !j.setting.Majority {
		j.reported[who] = len(s.episodes)
		return nil
	}
	if differs {
		from = min(from, len(s.episodes)-1) // it differs still, and may be named again
	}
	for i := from; i < len(s.episodes); i++ {
		if !j.right(f.Peer, &s.episodes[i]) {
			j.reported[who] = i + 1
			return nil
		}
	}
	return fmt.Errorf("%v says that %v has diverged, and its state is that of most", f.Node, f.Peer)
}

// right says whether a replica was with more than half wherever its copy differed from
// another, both of all who told a state there and of those that have it still.
func (j *honesty) right(m view.Member, e *episode) bool {
	for _, at := range e.spots {
		own := j.own(m, e, at)
		same, all, sameNow, allNow := 0, 0, 0, 0
		for _, v := range j.voices[at] {
			all++
			now := 0
			if j.replicas[v.node].copy == v.copy {
				now = 1
			}
			allNow += now
			if v.state == own {
				same++
				sameNow += now
			}
		}
		if 2*same <= all || 2*sameNow <= allNow {
			return false
		}
	}
	return true
}

// haltedBy judges whether a member has a reason to stop.
func (j *honesty) haltedBy(m view.Member) error {
	reason := j.episodes > j.stopped[m]
	for peer, s := range j.replicas { //tidy:unordered any is enough
		reason = reason || j.differs(peer, s)
	}
	if !reason {
		return fmt.Errorf("%v stops since replicas differ, and none does", m)
	}
	j.stopped[m] = j.episodes
	j.replica(m).halted = true
	return nil
}

// proven judges whether the two had, at any time, the same state there.
func (j *honesty) proven(f *Fact) error {
	if j.replica(f.Peer).most < f.Index {
		return fmt.Errorf("%v shows %v as proven at command %d, and it never came to it", f.Node, f.Peer, f.Index)
	}
	mine, theirs := false, false
	at := j.voices[place{j.life, f.Index}]
	for _, v := range at {
		mine = mine || v.node == f.Node
		if v.node != f.Peer {
			continue
		}
		theirs = true
		for _, o := range at {
			if o.node == f.Node && o.state == v.state {
				return nil
			}
		}
	}
	if mine && theirs {
		return fmt.Errorf("%v shows %v as proven at command %d, and their states differ there", f.Node, f.Peer, f.Index)
	}
	return nil
}

// end judges the states that there are at the end: where they can be compared, they are the
// same, unless some have stopped.
func (j *honesty) end() error {
	members := sorted(j.replicas)
	for _, m := range members {
		if j.replicas[m].halted {
			return nil
		}
	}
	for _, m := range members {
		s := j.replicas[m]
		if !s.has || !s.told {
			continue
		}
		for _, v := range j.voices[place{j.life, s.index}] {
			if o := j.replicas[v.node]; o.has && o.copy == v.copy && v.state != s.state {
				return fmt.Errorf("%v and %v differ after command %d, and %s", m, v.node, s.index, j.missing(m, v.node))
			}
		}
	}
	return nil
}

// present says whether the latest copy that differed is the one that the replica has.
func (j *honesty) present(s *standing) bool {
	e := s.latest()
	return e != nil && e.copy == s.copy
}

// missing is what ought to have been done about two that differ.
func (j *honesty) missing(m, other view.Member) string {
	for who, episode := range j.reported { //tidy:unordered any will do
		if s := j.replicas[who.peer]; (who.peer == m || who.peer == other) && j.present(s) && episode == len(s.episodes) {
			return "the one that was named has not been restored"
		}
	}
	return "neither was named"
}

package check

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Ledger keeps what the history says every source and every copy holds, and how many
// objects of each pair differ, so that judges can ask at every fact. It judges nothing
// itself, but it must be in the court, before those that read it.
type Ledger struct {
	nodes   int
	sources []source  // by ID less one
	copies  []replica // by source and holder
}

// source is the truth about one node's own objects.
type source struct {
	life    view.Incarnation // 0: not running
	objects map[string]record
}

type record struct {
	state string
	since time.Duration // the source has had an object of this key since then
}

// replica is what a holder was delivered about a source.
type replica struct {
	objects map[string]copied
	missing int // the source has it, and the copy has not or has another state
	extra   int // the copy has it and the source has not, though the source's present life had it
	former  int // the same, of a former life of the source
}

type copied struct {
	state string
	life  view.Incarnation // of the source, when it was delivered
}

// NewLedger makes a ledger for nodes 1 to nodes.
func NewLedger(nodes int) *Ledger {
	l := &Ledger{nodes: nodes, sources: make([]source, nodes), copies: make([]replica, nodes*nodes)}
	for i := range l.sources {
		l.sources[i].objects = map[string]record{}
	}
	for i := range l.copies {
		l.copies[i].objects = map[string]copied{}
	}
	return l
}

func (l *Ledger) source(id view.ID) *source { return &l.sources[id-1] }

func (l *Ledger) copy(source, holder view.ID) *replica {
	return &l.copies[(int(source)-1)*l.nodes+int(holder)-1]
}

// Promise is what the ledger stands for in a court: nothing.
func (l *Ledger) Promise() string { return "ledger" }

// Hear enters a fact. It returns an error for a history that cannot be.
func (l *Ledger) Hear(f *Fact) error {
	id := f.Node.ID
	switch f.Kind {
	case Booted:
		l.source(id).life = f.Node.Incarnation
		l.empty(id)
	case Crashed:
		l.source(id).life = 0
		l.empty(id)
		for i := range l.nodes {
			if from := view.ID(i + 1); from != id {
				l.copy(from, id).objects = map[string]copied{}
				l.count(from, id)
			}
		}
	case Cleared:
		l.empty(id)
	case Stored:
		l.store(id, string(f.Key), string(f.State), f.At)
	case Removed:
		l.change(id, string(f.Key), func(s *source, key string) { delete(s.objects, key) })
	case Copied, Dropped:
		if l.source(id).life == 0 {
			return fmt.Errorf("%v was delivered something while it was down", id)
		}
		l.deliver(f)
	}
	return nil
}

func (l *Ledger) store(id view.ID, key, state string, at time.Duration) {
	l.change(id, key, func(s *source, key string) {
		since := at
		if old, ok := s.objects[key]; ok {
			since = old.since
		}
		s.objects[key] = record{state, since}
	})
}

// change changes one object of a source and keeps the counts of its copies.
func (l *Ledger) change(id view.ID, key string, do func(s *source, key string)) {
	l.tally(id, key, -1)
	do(l.source(id), key)
	l.tally(id, key, 1)
}

func (l *Ledger) tally(id view.ID, key string, by int) {
	for i := range l.nodes {
		if holder := view.ID(i + 1); holder != id {
			l.tallyCopy(id, holder, key, by)
		}
	}
}

// tallyCopy takes one object into the counts of a copy, or out of them.
func (l *Ledger) tallyCopy(from, holder view.ID, key string, by int) {
	s, c := l.source(from), l.copy(from, holder)
	own, has := s.objects[key]
	got, held := c.objects[key]
	switch {
	case has && (!held || got.state != own.state):
		c.missing += by
	case !has && held && got.life == s.life:
		c.extra += by
	case !has && held:
		c.former += by
	}
}

func (l *Ledger) deliver(f *Fact) {
	from, holder, key := f.Peer.ID, f.Node.ID, string(f.Key)
	c := l.copy(from, holder)
	l.tallyCopy(from, holder, key, -1)
	if f.Kind == Copied {
		c.objects[key] = copied{string(f.State), f.Peer.Incarnation}
	} else {
		delete(c.objects, key)
	}
	l.tallyCopy(from, holder, key, 1)
}

// empty takes all objects from a source.
func (l *Ledger) empty(id view.ID) {
	l.source(id).objects = map[string]record{}
	for i := range l.nodes {
		if holder := view.ID(i + 1); holder != id {
			l.count(id, holder)
		}
	}
}

// count counts a pair anew.
func (l *Ledger) count(from, holder view.ID) {
	s, c := l.source(from), l.copy(from, holder)
	c.missing, c.extra, c.former = 0, 0, 0
	for key := range s.objects { //tidy:unordered a sum does not depend on the order
		l.tallyCopy(from, holder, key, 1)
	}
	for key := range c.objects { //tidy:unordered a sum does not depend on the order
		if _, both := s.objects[key]; !both {
			l.tallyCopy(from, holder, key, 1)
		}
	}
}

// Running gives the life of a node, 0 if it is down.
func (l *Ledger) Running(id view.ID) view.Incarnation { return l.source(id).life }

// Same says whether a copy equals its source; former objects, of a life of the source
// before the present one, count only if asked for.
func (l *Ledger) Same(from, holder view.ID, former bool) bool {
	c := l.copy(from, holder)
	return c.missing == 0 && c.extra == 0 && (!former || c.former == 0)
}

// Converged says whether every running node's copy of every running source is the same.
func (l *Ledger) Converged() bool {
	for i := range l.nodes {
		for k := range l.nodes {
			from, holder := view.ID(i+1), view.ID(k+1)
			if from != holder && l.Running(from) != 0 && l.Running(holder) != 0 && !l.Same(from, holder, true) {
				return false
			}
		}
	}
	return true
}

// difference says how a copy differs from its source, naming the first key.
func (l *Ledger) difference(from, holder view.ID) string {
	s, c := l.source(from), l.copy(from, holder)
	text := fmt.Sprintf("%v has %d objects, its copy at %v has %d: %d missing or old, %d too many, %d of a former life",
		from, len(s.objects), holder, len(c.objects), c.missing, c.extra, c.former)
	for _, key := range sortedKeys(s.objects) {
		if got, held := c.objects[key]; !held || got.state != s.objects[key].state {
			return text + fmt.Sprintf("; %q is %q (held: %v) and should be %q", key, got.state, held, s.objects[key].state)
		}
	}
	for _, key := range sortedKeys(c.objects) {
		if _, has := s.objects[key]; !has {
			return text + fmt.Sprintf("; %q should not be there", key)
		}
	}
	return text
}

package services

import (
	"slices"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// tentative stands between a world with disks and its court. What members of such a world
// execute may be undone as long as nobody was answered: when all fall, and those who come back
// have it on too few disks. So the court hears of an execution when it is for good: when a
// client is answered that or a later command of the same era, or of one that began with it.
// The facts of each member keep their order.
type tentative struct {
	tell    func(e *event)
	queues  map[view.ID][]event
	order   []view.ID
	parents map[view.Epoch]place  // with what each era began
	final   map[view.Epoch]uint64 // up to which index commands are for good
	settled view.Epoch            // the latest era in which somebody was answered
	done    map[asked][]place     // where calls were executed
	undone  map[place]event
}

type asked struct {
	client int
	number uint64
}

type place struct {
	era   view.Epoch
	index uint64
}

// event is a fact of a member. Its place says what it depends on.
type event struct {
	fact  service.Fact
	sight *sight // of a command of locks
	place
}

// reader is who is said to have executed what came back after it had been undone.
const reader view.ID = 1000

func newTentative(tell func(e *event)) *tentative {
	return &tentative{
		tell: tell, queues: map[view.ID][]event{}, parents: map[view.Epoch]place{}, final: map[view.Epoch]uint64{},
		done: map[asked][]place{}, undone: map[place]event{},
	}
}

// hear takes a fact of a member whose state is of an era, or 0.
func (t *tentative) hear(e event, era view.Epoch) {
	f := &e.fact
	switch f.Kind {
	case service.Executed, service.Skipped, service.Restored:
		e.place = place{era, f.Index}
	}
	if of := (asked{int(f.Session), f.Number}); f.Kind == service.Executed && !slices.Contains(t.done[of], e.place) {
		t.done[of] = append(t.done[of], e.place)
	}
	if _, is := t.queues[f.Node.ID]; !is {
		t.order = append(t.order, f.Node.ID)
	}
	t.queues[f.Node.ID] = append(t.queues[f.Node.ID], e)
	t.flush()
}

// founded tells that an era begins with a state.
func (t *tentative) founded(era view.Epoch, with place) { t.parents[era] = with }

// answered tells that a client was answered a call that was executed at an index.
func (t *tentative) answered(client int, number, index uint64) {
	var at place
	for _, p := range t.done[asked{client, number}] {
		if p.index == index && p.era >= at.era {
			at = p
		}
	}
	t.keep(at)
	t.flush()
}

// stable tells that a member which answers somebody says that no command of an era up to an index can be lost.
func (t *tentative) stable(era view.Epoch, index uint64) {
	if index > 0 { // else nothing of the era may be on enough disks
		t.keep(place{era, index})
		t.flush()
	}
}

// keep notes that a command and all before it are for good.
func (t *tentative) keep(at place) {
	if at.era == 0 {
		return
	}
	t.keep(t.parents[at.era])
	t.settled = max(t.settled, at.era)
	if at.index <= t.final[at.era] {
		return
	}
	t.final[at.era] = at.index
	first := at.index + 1
	for t.undone[place{at.era, first - 1}].fact.Index != 0 {
		first--
	}
	if first > at.index {
		return
	}
	// The only disks that had an era between are lost, or its founding came to nothing.
	by := view.Member{ID: reader, Incarnation: 1}
	t.tell(&event{fact: service.Fact{Kind: service.Restored, Node: by, Index: first - 1}})
	for index := first; index <= at.index; index++ {
		e := t.undone[place{at.era, index}]
		e.fact.Node = by
		t.tell(&e)
		delete(t.undone, place{at.era, index})
	}
	t.tell(&event{fact: service.Fact{Kind: service.Fell, Node: by}})
}

// flush tells what is for good, and puts away what was undone.
func (t *tentative) flush() {
	for _, id := range t.order {
		q := t.queues[id]
		for len(q) > 0 {
			e := &q[0]
			good := e.era == 0 || e.index <= t.final[e.era]
			if !good && e.era >= t.settled {
				break
			}
			switch {
			case good:
				t.tell(e)
			case e.fact.Kind != service.Restored:
				t.undone[e.place] = *e
			}
			q = q[1:]
		}
		t.queues[id] = q
	}
}

// end tells everything that was not undone: the latest era is the one that lasts.
func (t *tentative) end() {
	last := t.settled
	for _, id := range t.order {
		for _, e := range t.queues[id] {
			last = max(last, e.era)
		}
	}
	t.keep(place{last, 1 << 62})
	t.flush()
}

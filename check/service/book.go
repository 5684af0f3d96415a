package service

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// seat is a session at a lock, as the agreed order has it.
type seat struct {
	client  int
	session uint64
	token   uint64 // 0: it waits
	turn    uint64 // under which it waited; 0: not known
	shared  bool
	lost    bool // it waited in a life of the service that is over, and is not back
}

// lock is who has a lock and who waits for it, the first first.
type lock struct {
	owners  []seat
	waiting []seat
}

// book is what locks there are, as the agreed order has it.
type book struct {
	locks map[uint32]*lock
}

func newBook() *book { return &book{map[uint32]*lock{}} }

func (b *book) lock(key uint32) *lock {
	l := b.locks[key]
	if l == nil {
		l = &lock{}
		b.locks[key] = l
	}
	return l
}

// hear takes a fact down; judges look before they do.
func (b *book) hear(f *Fact) {
	s := seat{f.Client, f.Session, f.Value, f.Number, f.Shared, false}
	switch f.Kind {
	case Asked:
		s.token = 0
		b.lock(f.Key).ask(s)
	case Granted:
		l := b.lock(f.Key)
		if i := l.waits(f.Session); i >= 0 {
			s.turn = l.waiting[i].turn
			l.waiting = slices.Delete(l.waiting, i, i+1)
		}
		l.own(s)
	case Reasserted:
		if l := b.lock(f.Key); f.Value != 0 {
			l.forsake(f.Client)
			l.own(s)
		} else {
			l.comeBack(s)
		}
	case Quit:
		b.lock(f.Key).quit(f.Session, f.Value)
	case Closed:
		for _, l := range b.locks { //tidy:unordered each is treated for itself
			l.close(f.Session)
		}
	case Broken:
		b.lock(f.Key).dispossess(func(o seat) bool { return f.Value == 0 || o.token == f.Value })
	case Perished:
		for _, l := range b.locks { //tidy:unordered each is treated for itself
			l.dispossess(func(seat) bool { return true })
			for i := range l.waiting {
				l.waiting[i].lost = true
			}
		}
	}
}

// waits is the place of a session in the queue, or -1.
func (l *lock) waits(session uint64) int {
	return slices.IndexFunc(l.waiting, func(w seat) bool { return !w.lost && w.session == session })
}

// left is the place at which a client stood before a loss, or -1. It may have stood there twice: in a session that
// it had given up, too: that with its turn is the one.
func (l *lock) left(client int, turn uint64) int {
	stood := func(w seat) bool { return w.lost && w.client == client && client != 0 }
	if i := slices.IndexFunc(l.waiting, func(w seat) bool { return stood(w) && w.turn == turn }); i >= 0 && turn != 0 {
		return i
	}
	return slices.IndexFunc(l.waiting, func(w seat) bool { return stood(w) && (turn == 0 || w.turn == 0) })
}

// forsake forgets the places at which a client stood before a loss.
func (l *lock) forsake(client int) {
	l.waiting = slices.DeleteFunc(l.waiting, func(w seat) bool { return w.lost && w.client == client && client != 0 })
}

func (l *lock) ask(s seat) {
	if l.waits(s.session) >= 0 {
		return
	}
	l.forsake(s.client) // it asks anew
	l.waiting = append(l.waiting, s)
}

func (l *lock) own(s seat) {
	l.owners = slices.DeleteFunc(l.owners, func(o seat) bool { return o.session == s.session })
	l.owners = append(l.owners, s)
}

func (l *lock) comeBack(s seat) {
	if i := l.left(s.client, s.turn); i >= 0 {
		l.waiting[i] = s
	} else if l.waits(s.session) < 0 {
		l.waiting = append(l.waiting, s)
	}
}

func (l *lock) quit(session, token uint64) {
	l.owners = slices.DeleteFunc(l.owners, func(o seat) bool { return o.session == session && (token == 0 || o.token == token) })
	if i := l.waits(session); i >= 0 && token == 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
}

// close ends a session. Its place in the queue is nobody's; but if the service loses its state, it may
// come back to that.
func (l *lock) close(session uint64) {
	if i := l.waits(session); i >= 0 {
		l.waiting[i].lost = true
	}
	l.dispossess(func(o seat) bool { return o.session == session })
}

// dispossess takes the lock from some of its owners, who may not hear of it.
func (l *lock) dispossess(whom func(seat) bool) {
	kept := l.owners[:0]
	for _, o := range l.owners {
		if whom(o) {
			l.lose(o)
		} else {
			kept = append(kept, o)
		}
	}
	l.owners = kept
}

// lose puts who owned the lock, and perhaps was not told yet, to where it stood in the queue: before all who
// wait, but for those who were not back when it was granted.
func (l *lock) lose(o seat) {
	o.lost, o.token = true, 0
	at := 0
	for at < len(l.waiting) && o.turn != 0 && l.waiting[at].turn < o.turn {
		at++
	}
	l.waiting = slices.Insert(l.waiting, at, o)
}

// idle says whether the first of the queue could have the lock.
func (l *lock) idle() (seat, bool) {
	for _, w := range l.waiting {
		if !w.lost {
			return w, !slices.ContainsFunc(l.owners, func(o seat) bool { return !o.shared || !w.shared })
		}
	}
	return seat{}, false
}

// stuck says who waits for a lock that it could have.
func (b *book) stuck() error {
	for _, key := range slices.Sorted(maps.Keys(b.locks)) {
		l := b.locks[key]
		exclusive := func(s seat) bool { return !s.shared && !s.lost }
		first := slices.IndexFunc(l.waiting, func(s seat) bool { return !s.lost })
		switch {
		case first < 0:
		case len(l.owners) == 0:
			return fmt.Errorf("session %d waits for lock %d, which nobody has", l.waiting[first].session, key)
		case !slices.ContainsFunc(l.owners, exclusive) && !slices.ContainsFunc(l.waiting, exclusive):
			return fmt.Errorf("session %d waits for lock %d to share it, and all share it", l.waiting[first].session, key)
		}
	}
	return nil
}

// sorted gives the members of a map in their order.
func sorted[V any](of map[view.Member]V) []view.Member {
	return slices.SortedFunc(maps.Keys(of), func(x, y view.Member) int {
		return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Incarnation, y.Incarnation))
	})
}

// afterlife: what has ended is nowhere.
type afterlife struct{ over map[uint64]bool }

// Gone judges each grant, and each place in a queue: it is not of a session that is over.
func Gone() Judge { return &afterlife{map[uint64]bool{}} }

// Promise names the promise.
func (j *afterlife) Promise() string { return "gone" }

// Hear judges a grant or a place.
func (j *afterlife) Hear(f *Fact) error {
	switch f.Kind {
	case Closed:
		j.over[f.Session] = true
	case Perished:
		clear(j.over)
	case Asked, Granted, Reasserted:
		if j.over[f.Session] {
			return fmt.Errorf("session %d, which is over, is given lock %d, or a place in its queue", f.Session, f.Key)
		}
	}
	return nil
}

// queue: first come, first served.
type queue struct{ book *book }

// Queue judges each grant: nobody waits who asked before, whether to share the lock or not.
// Places in the queue hold over a loss of the state for those who come back to them.
func Queue() Judge { return &queue{newBook()} }

// Promise names the promise.
func (j *queue) Promise() string { return "queue" }

// Hear judges a grant.
func (j *queue) Hear(f *Fact) error {
	if f.Kind == Granted {
		for _, w := range j.book.lock(f.Key).waiting {
			if w.session == f.Session && !w.lost {
				break
			}
			if !w.lost {
				return fmt.Errorf("session %d is granted lock %d before session %d, which asked before it", f.Session, f.Key, w.session)
			}
		}
	}
	j.book.hear(f)
	return nil
}

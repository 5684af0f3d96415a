package service

import (
	"fmt"
	"slices"
	"time"
)

// holding is what a client believes.
type holding struct {
	client  int
	token   uint64
	shared  bool
	since   time.Duration
	excused bool // an operator has taken the lock away, or the service has lost its state
}

// clashes says whether two clients cannot both have a lock.
func (h *holding) clashes(client int, shared bool) bool {
	return h.client != client && !(h.shared && shared)
}

// beliefs are what clients believe of locks.
type beliefs struct {
	setting Setting
	held    map[uint32][]holding
	broken  map[uint32]map[uint64]bool // tokens that may be believed in for a while
}

func newBeliefs(s Setting) *beliefs {
	return &beliefs{s, map[uint32][]holding{}, map[uint32]map[uint64]bool{}}
}

// hear takes a fact down; judges look before they do.
func (b *beliefs) hear(f *Fact, locks *book) {
	switch f.Kind {
	case Held:
		b.drop(f.Key, f.Client)
		b.held[f.Key] = append(b.held[f.Key], holding{f.Client, f.Value, f.Shared, f.At, b.broken[f.Key][f.Value]})
	case Dropped:
		b.drop(f.Key, f.Client)
	case Crashed:
		for key := range b.held { //tidy:unordered each is treated for itself
			b.drop(key, f.Client)
		}
	case Broken:
		for _, o := range locks.lock(f.Key).owners {
			if f.Value == 0 || f.Value == o.token {
				b.excuse(f.Key, o.token)
			}
		}
		b.excuse(f.Key, f.Value)
	case Perished:
		if !b.setting.Reassert {
			for key, l := range locks.locks { //tidy:unordered each is treated for itself
				for _, o := range l.owners {
					b.excuse(key, o.token)
				}
			}
			for _, held := range b.held { //tidy:unordered each is treated for itself
				for i := range held {
					held[i].excused = true
				}
			}
		}
	}
}

func (b *beliefs) excuse(key uint32, token uint64) {
	if b.broken[key] == nil {
		b.broken[key] = map[uint64]bool{}
	}
	b.broken[key][token] = true
	for i := range b.held[key] {
		h := &b.held[key][i]
		h.excused = h.excused || h.token == token || token == 0
	}
}

func (b *beliefs) drop(key uint32, client int) {
	b.held[key] = slices.DeleteFunc(b.held[key], func(h holding) bool { return h.client == client })
}

// exclusion: nobody has what another has exclusively.
type exclusion struct {
	book    *book
	beliefs *beliefs
}

// Exclusion judges each grant: nobody else has the lock, in the agreed order, unless all
// share it; and each belief: nobody else believes. Whose lock was broken is excused.
func Exclusion(s Setting) Judge { return &exclusion{newBook(), newBeliefs(s)} }

// Promise names the promise.
func (j *exclusion) Promise() string { return "exclusion" }

// Hear judges a grant or a belief.
func (j *exclusion) Hear(f *Fact) error {
	switch f.Kind {
	case Granted, Reasserted:
		if f.Kind == Reasserted && f.Value == 0 {
			break
		}
		for _, o := range j.book.lock(f.Key).owners {
			if o.session != f.Session && !(o.shared && f.Shared) {
				return fmt.Errorf("session %d is given lock %d with token %d, and session %d has it with token %d", f.Session, f.Key, f.Value, o.session, o.token)
			}
		}
	case Held:
		for _, h := range j.beliefs.held[f.Key] {
			if h.clashes(f.Client, f.Shared) && !h.excused && !j.beliefs.broken[f.Key][f.Value] {
				return fmt.Errorf("client %d holds lock %d with token %d, and client %d has held it with token %d since %v",
					f.Client, f.Key, f.Value, h.client, h.token, h.since)
			}
		}
	}
	j.beliefs.hear(f, j.book)
	j.book.hear(f)
	return nil
}

// given is a grant of a lock.
type given struct {
	client int
	token  uint64
	shared bool
}

// lease: who believes is not believed wrong.
type lease struct {
	exclusion // for its records only
	given     map[uint32][]given
}

// Lease judges each grant: at that moment no other client believes to hold the lock, unless
// all share it; and each belief: the lock was not granted to another since. So it finds an
// answer that came too late, and a lease that its holder counts too long, also if the other
// does not know yet that it holds the lock. Whose lock was broken is excused.
func Lease(s Setting) Judge {
	return &lease{exclusion{newBook(), newBeliefs(s)}, map[uint32][]given{}}
}

// Promise names the promise.
func (j *lease) Promise() string { return "lease" }

// Hear judges a grant or a belief.
func (j *lease) Hear(f *Fact) error {
	switch f.Kind {
	case Granted, Reasserted:
		if f.Value == 0 || f.Client == 0 || f.Kind == Reasserted && j.beliefs.broken[f.Key][f.Value] {
			break // a break is forgotten with the state
		}
		for _, h := range j.beliefs.held[f.Key] {
			if h.clashes(f.Client, f.Shared) && !h.excused {
				return fmt.Errorf("lock %d is given to client %d with token %d, and client %d has believed since %v to hold it with token %d",
					f.Key, f.Client, f.Value, h.client, h.since, h.token)
			}
		}
		j.give(f)
	case Held:
		for _, g := range j.given[f.Key] {
			if g.client != f.Client && g.token > f.Value && !(g.shared && f.Shared) && !j.beliefs.broken[f.Key][f.Value] {
				return fmt.Errorf("client %d believes to hold lock %d with token %d, and client %d was given it with token %d", f.Client, f.Key, f.Value, g.client, g.token)
			}
		}
	case Perished:
		if !j.beliefs.setting.Reassert {
			clear(j.given)
		}
	}
	j.beliefs.hear(f, j.book)
	j.book.hear(f)
	return nil
}

// give remembers the greatest grants of a lock: of each kind, that of the last client, and
// that of the last one before it.
func (j *lease) give(f *Fact) {
	g := given{f.Client, f.Value, f.Shared}
	kept, same := j.given[f.Key][:0], 0
	for _, old := range j.given[f.Key] {
		if old.shared == g.shared {
			if old.client == g.client || same > 0 {
				continue
			}
			same++
		}
		kept = append(kept, old)
	}
	j.given[f.Key] = slices.Insert(kept, 0, g)
}

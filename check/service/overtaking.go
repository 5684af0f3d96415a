package service

import (
	"fmt"
	"slices"
)

// wait is a session in a queue that may be passed.
type wait struct {
	session uint64
	turn    uint64 // 0: not known
	alone   int    // how many from the first to itself want the lock alone
	passed  int
	shared  bool
}

// overtaking: nobody starves.
type overtaking struct {
	most    int
	waiting map[uint32][]wait
}

// Overtaking judges each grant of locks that are not given strictly in order: who waits is passed at most so many times for
// each who waits to have the lock alone, from the first to itself.
func Overtaking(most int) Judge { return &overtaking{most, map[uint32][]wait{}} }

// Promise names the promise.
func (j *overtaking) Promise() string { return "overtaking" }

// Hear judges a grant.
func (j *overtaking) Hear(f *Fact) error {
	switch f.Kind {
	case Asked:
		j.ask(f)
	case Quit:
		if f.Value == 0 {
			j.leave(f.Key, f.Session)
		}
	case Closed:
		for key := range j.waiting { //tidy:unordered each is treated for itself
			j.leave(key, f.Session)
		}
	case Perished:
		clear(j.waiting) // who comes back is counted anew
	case Reasserted:
		if f.Value == 0 {
			j.ask(f)
		}
	case Granted:
		for i := range j.waiting[f.Key] {
			w := &j.waiting[f.Key][i]
			if w.session == f.Session {
				break
			}
			if most := j.most * max(1, w.alone); w.passed >= most {
				return fmt.Errorf("session %d waits for lock %d and is passed for the %dth time, by session %d; %d times are allowed to it", w.session, f.Key, w.passed+1, f.Session, most)
			}
			w.passed++
		}
		j.leave(f.Key, f.Session)
	}
	return nil
}

// ask puts a session into the queue: at its end, but who comes back after a loss stands before those whose turns are later.
func (j *overtaking) ask(f *Fact) {
	queue := j.waiting[f.Key]
	w, at := wait{session: f.Session, turn: f.Number, shared: f.Shared}, 0
	for i := range queue {
		if queue[i].session == f.Session {
			return
		}
		if f.Number == 0 || queue[i].turn <= f.Number {
			at = i + 1
		}
	}
	if !f.Shared {
		w.alone = 1
	}
	for i := range queue {
		switch {
		case i < at && !queue[i].shared:
			w.alone++
		case i >= at && !f.Shared:
			queue[i].alone++
		}
	}
	j.waiting[f.Key] = slices.Insert(queue, at, w)
}

func (j *overtaking) leave(key uint32, session uint64) {
	kept := j.waiting[key][:0]
	for _, w := range j.waiting[key] {
		if w.session != session {
			kept = append(kept, w)
		}
	}
	j.waiting[key] = kept
}

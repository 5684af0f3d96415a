package service

import (
	"fmt"
	"time"
)

// holding is what a client believes.
type holding struct {
	client int
	token  uint64
	shared bool
	since  time.Duration
}

// exclusion: nobody believes to hold what another holds exclusively.
type exclusion struct {
	held map[uint32][]holding
}

// Exclusion judges each belief.
func Exclusion() Judge { return &exclusion{map[uint32][]holding{}} }

// Promise names the promise.
func (j *exclusion) Promise() string { return "exclusion" }

// Hear judges a belief.
func (j *exclusion) Hear(f *Fact) error {
	switch f.Kind {
	case Held:
		for _, h := range j.held[f.Key] {
			if h.client != f.Client && !(h.shared && f.Shared) {
				return fmt.Errorf("client %d holds lock %d with token %d, and client %d has held it with token %d since %v",
					f.Client, f.Key, f.Value, h.client, h.token, h.since)
			}
		}
		j.held[f.Key] = append(j.held[f.Key], holding{f.Client, f.Value, f.Shared, f.At})
	case Dropped:
		j.drop(f.Key, f.Client)
	case Crashed:
		for key := range j.held { //tidy:unordered each is treated for itself
			j.drop(key, f.Client)
		}
	}
	return nil
}

func (j *exclusion) drop(key uint32, client int) {
	kept := j.held[key][:0]
	for _, h := range j.held[key] {
		if h.client != client {
			kept = append(kept, h)
		}
	}
	j.held[key] = kept
}

// fencing: tokens grow, and the resource takes no older one.
type fencing struct {
	granted uint64            // the greatest token of all locks
	tokens  map[uint64]asked  // whose
	wrote   map[uint32]uint64 // the greatest that the resource took, by lock
}

// Fencing judges each grant and each write.
func Fencing() Judge { return &fencing{0, map[uint64]asked{}, map[uint32]uint64{}} }

// Promise names the promise.
func (j *fencing) Promise() string { return "fencing" }

// Hear judges a grant or a write.
func (j *fencing) Hear(f *Fact) error {
	switch f.Kind {
	case Granted:
		if f.Value <= j.granted {
			return fmt.Errorf("session %d is granted lock %d with token %d after a token %d was given", f.Session, f.Key, f.Value, j.granted)
		}
		j.granted = f.Value
	case Wrote:
		if f.Value < j.wrote[f.Key] {
			return fmt.Errorf("the resource of lock %d took a write under token %d after one under %d", f.Key, f.Value, j.wrote[f.Key])
		}
		j.wrote[f.Key] = f.Value
		if f.Value > j.granted {
			return fmt.Errorf("the resource of lock %d took a write under token %d, which nobody was given", f.Key, f.Value)
		}
	}
	return nil
}

// queue: first come, first served.
type queue struct {
	waiting map[uint32][]uint64 // sessions
}

// Queue judges each grant.
func Queue() Judge { return &queue{map[uint32][]uint64{}} }

// Promise names the promise.
func (j *queue) Promise() string { return "queue" }

// Hear judges a grant.
func (j *queue) Hear(f *Fact) error {
	q := j.waiting[f.Key]
	switch f.Kind {
	case Asked:
		j.waiting[f.Key] = append(q, f.Session)
	case Granted:
		for i, s := range q {
			if s != f.Session {
				continue
			}
			if i > 0 {
				return fmt.Errorf("session %d is granted lock %d before session %d, which asked before it", f.Session, f.Key, q[0])
			}
			j.waiting[f.Key] = q[1:]
			return nil
		}
		if len(q) > 0 {
			return fmt.Errorf("session %d is granted lock %d at once while session %d waits for it", f.Session, f.Key, q[0])
		}
	case Quit:
		kept := q[:0:0]
		for _, s := range q {
			if s != f.Session {
				kept = append(kept, s)
			}
		}
		j.waiting[f.Key] = kept
	}
	return nil
}

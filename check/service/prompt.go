package service

import (
	"fmt"
	"slices"
	"time"
)

// prompt: whoever can be granted the lock has been.
type prompt struct {
	book   *book
	at     time.Duration
	dirty  []uint32 // locks that something was done to at that time
	deaf   bool     // the state was lost, and clients are being heard
	opened bool     // they are not any more, since that time
}

// Prompt judges each lock when something was done to it, and time has gone by: the first of its queue could not have been
// granted it. While a service that begins, or has lost its state, hears its clients it grants nothing; the first grant ends that.
func Prompt(s Setting) Judge { return &prompt{book: newBook(), deaf: s.Reassert} }

// Promise names the promise.
func (j *prompt) Promise() string { return "prompt" }

// Hear judges the locks of the time before.
func (j *prompt) Hear(f *Fact) error {
	if f.At > j.at {
		if j.opened {
			j.deaf, j.opened = false, false
		}
		for _, key := range j.dirty {
			if s, idle := j.book.lock(key).idle(); idle && !j.deaf {
				return fmt.Errorf("session %d waits for lock %d since before %v and could have it", s.session, key, j.at)
			}
		}
		j.at, j.dirty = f.At, j.dirty[:0]
	}
	j.book.hear(f)
	switch f.Kind {
	case Asked, Granted, Reasserted, Quit, Broken:
		j.dirty = append(j.dirty, f.Key)
		j.opened = j.opened || f.Kind == Granted
	case Closed:
		for key := range j.book.locks { //tidy:unordered it is sorted below
			j.dirty = append(j.dirty, key)
		}
		slices.Sort(j.dirty)
	case Perished:
		j.deaf, j.opened = true, false
	}
	return nil
}

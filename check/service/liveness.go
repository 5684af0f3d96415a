package service

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// liveness: after calm there are answers.
type liveness struct {
	l      *Ledger
	book   *book
	index  map[view.Member]uint64
	halted map[view.Member]bool
	wants  []want // who waits for a lock, since when
	last   uint64 // the greatest index that was answered before calm, in this life
}

// want is a client that waits for a lock.
type want struct {
	client int
	key    uint32
	since  time.Duration
}

// Liveness judges at the end, if there was calm: every call whose client lives has an
// answer, or the client was told why not; every replica with a state has what was answered
// before calm, unless it may be behind; no lock is free for somebody who waits for it; and every
// client that lives has got the lock that it wants.
// When a replica has halted, it is judged only whether clients were told something.
func Liveness(l *Ledger) Judge {
	return &liveness{l: l, book: newBook(), index: map[view.Member]uint64{}, halted: map[view.Member]bool{}}
}

// Promise names the promise.
func (j *liveness) Promise() string { return "liveness" }

// Hear judges what is still open.
func (j *liveness) Hear(f *Fact) error {
	j.book.hear(f)
	switch f.Kind {
	case Wanted:
		j.wants = append(j.wants, want{f.Client, f.Key, f.At})
	case Held, Waived, Crashed:
		j.wants = slices.DeleteFunc(j.wants, func(w want) bool { return w.client == f.Client && (w.key == f.Key || f.Kind == Crashed) })
	case Executed, Skipped:
		j.index[f.Node] = f.Index
	case Restored:
		j.index[f.Node] = f.Index
		delete(j.halted, f.Node)
	case Fell:
		delete(j.index, f.Node)
		delete(j.halted, f.Node)
	case Halted:
		j.halted[f.Node] = true
	case Perished:
		clear(j.index)
		clear(j.halted)
		j.last = 0
	case Answered:
		if c := j.l.call(f); !j.l.calm && c.changes() && c.indexLife == j.l.life {
			j.last = max(j.last, c.index)
		}
	case Ended:
		if j.l.calm {
			return j.end()
		}
	}
	return nil
}

func (j *liveness) end() error {
	for _, c := range j.l.all {
		if c.open() {
			return fmt.Errorf("client %d has no answer to call %d", c.client, c.number)
		}
	}
	if len(j.halted) > 0 {
		return nil
	}
	if !j.l.setting.Lazy {
		for _, m := range sorted(j.index) {
			if j.index[m] < j.last {
				return fmt.Errorf("%v has come to command %d only, and command %d was answered before calm", m, j.index[m], j.last)
			}
		}
	}
	if err := j.book.stuck(); err != nil || len(j.wants) == 0 {
		return err
	}
	w := j.wants[0]
	return fmt.Errorf("client %d wants lock %d since %v and has not got it", w.client, w.key, w.since)
}

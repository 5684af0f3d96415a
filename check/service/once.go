package service

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// asked names a request of a session.
type asked struct{ session, number uint64 }

// entry is a command at its place in the agreed order.
type entry struct {
	request asked
	sum     uint64
}

// once: no request is executed twice in the one order that the replicas agree on. That they
// agree is another promise.
type once struct {
	at map[asked]uint64 // index, from 1
}

// Once judges each execution.
func Once() Judge { return &once{map[asked]uint64{}} }

// Promise names the promise.
func (j *once) Promise() string { return "once" }

// Hear judges an execution.
func (j *once) Hear(f *Fact) error {
	if f.Kind != Executed || f.Number == 0 {
		return nil
	}
	r := asked{f.Session, f.Number}
	if at, is := j.at[r]; is && at != f.Index {
		return fmt.Errorf("%v executes request %d of session %d as command %d; it was executed as command %d", f.Node, f.Number, f.Session, f.Index, at)
	}
	j.at[r] = f.Index
	return nil
}

// agreement: at each index all execute the same.
type agreement struct {
	entries map[uint64]entry
	index   map[view.Member]uint64
}

// Agreement judges each execution.
func Agreement() Judge {
	return &agreement{map[uint64]entry{}, map[view.Member]uint64{}}
}

// Promise names the promise.
func (j *agreement) Promise() string { return "agreement" }

// Hear judges an execution.
func (j *agreement) Hear(f *Fact) error {
	switch f.Kind {
	case Restored:
		j.index[f.Node] = f.Index
	case Executed:
		if had := j.index[f.Node]; f.Index != had+1 {
			return fmt.Errorf("%v executes command %d after command %d", f.Node, f.Index, had)
		}
		j.index[f.Node] = f.Index
		e := entry{asked{f.Session, f.Number}, f.Sum}
		if other, is := j.entries[f.Index]; is && other != e {
			return fmt.Errorf("%v executes request %d of session %d as command %d, and another request %d of session %d in that place",
				f.Node, f.Number, f.Session, f.Index, other.request.number, other.request.session)
		}
		j.entries[f.Index] = e
	}
	return nil
}

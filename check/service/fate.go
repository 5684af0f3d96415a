package service

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// knowledge: what is said not to be executed is not.
type knowledge struct{ l *Ledger }

// Knowledge judges what clients are told of calls that failed, if it is known as which
// request they went out.
func Knowledge(l *Ledger) Judge { return &knowledge{l} }

// Promise names the promise.
func (j *knowledge) Promise() string { return "knowledge" }

// Hear judges a word to a client, and each execution after it.
func (j *knowledge) Hear(f *Fact) error {
	switch f.Kind {
	case Unexecuted:
		c := j.l.call(f)
		if c.answered {
			return fmt.Errorf("client %d is told that call %d was not executed, and was answered it", f.Client, f.Call)
		}
		if c.executed && c.indexLife == j.l.life {
			return fmt.Errorf("client %d is told that call %d was not executed, and it was, as command %d", f.Client, f.Call, c.index)
		}
	case Answered:
		if c := j.l.call(f); c.unexecuted {
			return fmt.Errorf("client %d is answered call %d, and was told that it was not executed", f.Client, f.Call)
		}
	case Executed:
		if c := j.l.of(f); c != nil && c.unexecuted && c.until == j.l.life {
			return fmt.Errorf("%v executes call %d of client %d, which was told that it is not executed", f.Node, c.number, c.client)
		}
	}
	return nil
}

// retention: what is answered stays.
type retention struct {
	l        *Ledger
	answered map[uint64]*call // by index, in this life of the service
	had      map[uint64]entry
	last     uint64 // the greatest index that was answered
	index    map[view.Member]uint64
}

// Retention judges each execution: it does not take the place of what was answered; and at
// the end, after calm: some replica has all that was answered. Calls that change nothing may
// be lost.
func Retention(l *Ledger) Judge {
	return &retention{l, map[uint64]*call{}, map[uint64]entry{}, 0, map[view.Member]uint64{}}
}

// Promise names the promise.
func (j *retention) Promise() string { return "retention" }

// Hear judges.
func (j *retention) Hear(f *Fact) error {
	switch f.Kind {
	case Executed, Skipped:
		j.index[f.Node] = f.Index
		had, is := j.had[f.Index]
		if c := j.answered[f.Index]; is && c != nil && had != entryOf(f) {
			return fmt.Errorf("%v has something else as command %d, as which call %d of client %d was executed and answered", f.Node, f.Index, c.number, c.client)
		}
		if !is {
			j.had[f.Index] = entryOf(f)
		}
	case Restored:
		j.index[f.Node] = f.Index
	case Fell:
		delete(j.index, f.Node)
	case Perished:
		clear(j.answered)
		clear(j.had)
		clear(j.index)
		j.last = 0
	case Answered:
		if c := j.l.call(f); c.changes() && c.index != 0 && c.indexLife == j.l.life {
			j.answered[c.index], j.last = c, max(j.last, c.index)
		}
	case Ended:
		best := uint64(0)
		for _, index := range j.index { //tidy:unordered the greatest is taken
			best = max(best, index)
		}
		if c := j.answered[j.last]; j.l.calm && best < j.last {
			return fmt.Errorf("the latest state there is is that of command %d, and call %d of client %d was executed as command %d and answered",
				best, c.number, c.client, j.last)
		}
	}
	return nil
}

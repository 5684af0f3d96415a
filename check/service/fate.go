package service

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// The fate of a call as told to its client, held against what the replicas executed. A call
// is known to the replicas by its session and number, and to the observer by the fact Called,
// which has them too.

// knowledge: what is said not to be executed is not.
type knowledge struct {
	never    map[asked]call
	executed map[asked]bool
	calls    map[call]asked
}

// Knowledge judges what clients are told of calls that failed.
func Knowledge() Judge {
	return &knowledge{map[asked]call{}, map[asked]bool{}, map[call]asked{}}
}

// Promise names the promise.
func (j *knowledge) Promise() string { return "knowledge" }

// Hear judges a word to a client, and each execution after it.
func (j *knowledge) Hear(f *Fact) error {
	switch f.Kind {
	case Called:
		if f.Number != 0 {
			j.calls[call{f.Client, f.Call}] = asked{f.Session, f.Number}
		}
	case Unexecuted:
		r, is := j.calls[call{f.Client, f.Call}]
		if is && j.executed[r] {
			return fmt.Errorf("client %d is told that call %d was not executed, and it was", f.Client, f.Call)
		}
		if is {
			j.never[r] = call{f.Client, f.Call}
		}
	case Executed:
		r := asked{f.Session, f.Number}
		if c, is := j.never[r]; is && f.Number != 0 {
			return fmt.Errorf("%v executes call %d of client %d, which was told that it is not executed", f.Node, c.number, c.client)
		}
		j.executed[r] = true
	}
	return nil
}

// retention: what is answered stays.
type retention struct {
	calls    map[call]asked
	at       map[asked]uint64
	answered map[uint64]call // by index
	last     uint64          // the greatest index that was answered
	index    map[view.Member]uint64
}

// Retention judges at the end: every replica that has a state has all that was answered.
func Retention() Judge {
	return &retention{map[call]asked{}, map[asked]uint64{}, map[uint64]call{}, 0, map[view.Member]uint64{}}
}

// Promise names the promise.
func (j *retention) Promise() string { return "retention" }

// Hear judges an answer, and at the end the replicas.
func (j *retention) Hear(f *Fact) error {
	c := call{f.Client, f.Call}
	switch f.Kind {
	case Called:
		j.calls[c] = asked{f.Session, f.Number}
	case Executed:
		j.at[asked{f.Session, f.Number}] = f.Index
		j.index[f.Node] = f.Index
	case Restored:
		j.index[f.Node] = f.Index
	case Fell:
		delete(j.index, f.Node)
	case Answered:
		if r := j.calls[c]; r.number != 0 {
			at, is := j.at[r]
			if !is {
				return fmt.Errorf("client %d is answered call %d, which nobody has executed", f.Client, f.Call)
			}
			j.answered[at], j.last = c, max(j.last, at)
		}
	case Ended:
		best := uint64(0)
		for _, index := range j.index {
			best = max(best, index)
		}
		if best < j.last {
			return fmt.Errorf("the latest state there is is that of command %d, and call %d of client %d, command %d, was answered",
				best, j.answered[j.last].number, j.answered[j.last].client, j.last)
		}
	}
	return nil
}

// liveness: after calm there are answers.
type liveness struct {
	open map[call]bool
	gone map[int]bool
	calm bool
}

// Liveness judges at the end.
func Liveness() Judge { return &liveness{map[call]bool{}, map[int]bool{}, false} }

// Promise names the promise.
func (j *liveness) Promise() string { return "liveness" }

// Hear judges what is still open.
func (j *liveness) Hear(f *Fact) error {
	c := call{f.Client, f.Call}
	switch f.Kind {
	case Called:
		j.open[c] = true
	case Answered, Unexecuted, Unknown:
		delete(j.open, c)
	case Crashed:
		j.gone[f.Client] = true
	case Calmed:
		j.calm = true
	case Ended:
		oldest, found := call{}, false
		for c := range j.open { //tidy:unordered the least of all is taken
			if !j.gone[c.client] && (!found || c.client < oldest.client || c.client == oldest.client && c.number < oldest.number) {
				oldest, found = c, true
			}
		}
		if found {
			return fmt.Errorf("client %d has no answer to call %d", oldest.client, oldest.number)
		}
	}
	return nil
}

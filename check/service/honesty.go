package service

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// honesty: replicas whose states differ are named, or all stop; and nobody is named whose
// state is that of the others.
type honesty struct {
	own    map[view.Member]state  // the latest of each
	differ map[view.Member]uint64 // since which index

	voices map[uint64]map[uint64]int // by index and state, how many replicas
	halted bool
}

type state struct{ index, sum uint64 }

// Honesty judges at the end whether all who differed were named, and at once whether those
// who are named differ.
func Honesty() Judge {
	return &honesty{map[view.Member]state{}, map[view.Member]uint64{}, map[uint64]map[uint64]int{}, false}
}

// Promise names the promise.
func (j *honesty) Promise() string { return "honesty" }

// Hear judges.
func (j *honesty) Hear(f *Fact) error {
	switch f.Kind {
	case Executed, Restored:
		if f.Kind == Restored {
			delete(j.differ, f.Node)
		}
		j.own[f.Node] = state{f.Index, f.State}
		v := j.voices[f.Index]
		if v == nil {
			v = map[uint64]int{}
			j.voices[f.Index] = v
		}
		v[f.State]++
		if len(v) > 1 {
			if _, is := j.differ[f.Node]; !is {
				j.differ[f.Node] = f.Index
			}
		}
	case Fell:
		delete(j.own, f.Node)
		delete(j.differ, f.Node)
	case Named:
		if !j.differs(f.Peer) {
			return fmt.Errorf("%v says that %v has diverged, and its state is that of the others", f.Node, f.Peer)
		}
	case Halted:
		j.halted = true
		if !j.anyDiffers() {
			return fmt.Errorf("%v stops since replicas differ, and none does", f.Node)
		}
	case Ended:
		return j.end()
	}
	return nil
}

// differs says whether a replica had, at any index of its present life, another state than
// some other replica there.
func (j *honesty) differs(m view.Member) bool {
	return len(j.voices[j.own[m].index]) > 1 || j.differ[m] != 0
}

func (j *honesty) anyDiffers() bool {
	for _, v := range j.voices { //tidy:unordered any is enough
		if len(v) > 1 {
			return true
		}
	}
	return false
}

// end judges the states that there are at the end: those of the same index are the same,
// unless all have stopped.
func (j *honesty) end() error {
	if j.halted {
		return nil
	}
	at := map[uint64]view.Member{}
	for m, s := range j.own { //tidy:unordered the text names any two that differ
		other, is := at[s.index]
		if is && j.own[other].sum != s.sum {
			return fmt.Errorf("%v and %v differ after command %d, and nobody has said so", m, other, s.index)
		}
		at[s.index] = m
	}
	return nil
}

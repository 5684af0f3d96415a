package service

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// entry is what the replicas had at one place of the agreed order.
type entry struct {
	kind Kind
	of   request
	sum  uint64
}

func entryOf(f *Fact) entry {
	return entry{f.Kind, request{f.Session, f.Number, 0}, f.Sum}
}

// String describes it.
func (e entry) String() string {
	if e.kind == Skipped {
		return fmt.Sprintf("nothing that is executed (sum %x)", e.sum)
	}
	return fmt.Sprintf("request %d of session %d (sum %x)", e.of.number, e.of.session, e.sum)
}

// agreement: at each index all execute the same.
type agreement struct {
	l       *Ledger
	entries map[place]entry
	index   map[view.Member]uint64
}

// Agreement judges each execution.
func Agreement(l *Ledger) Judge {
	return &agreement{l, map[place]entry{}, map[view.Member]uint64{}}
}

// Promise names the promise.
func (j *agreement) Promise() string { return "agreement" }

// Hear judges an execution.
func (j *agreement) Hear(f *Fact) error {
	switch f.Kind {
	case Restored:
		j.index[f.Node] = f.Index
	case Fell:
		delete(j.index, f.Node)
	case Perished:
		clear(j.index)
	case Executed, Skipped:
		if had := j.index[f.Node]; f.Index != had+1 {
			return fmt.Errorf("%v executes command %d after command %d", f.Node, f.Index, had)
		}
		j.index[f.Node] = f.Index
		at, e := place{j.l.life, f.Index}, entryOf(f)
		if other, is := j.entries[at]; is && other != e {
			return fmt.Errorf("%v has as command %d %v, and another had %v", f.Node, f.Index, e, other)
		}
		j.entries[at] = e
	}
	return nil
}

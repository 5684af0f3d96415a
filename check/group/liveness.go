package group

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// liveness: some time after calm everybody that lives and wants to be in the group is in
// one view, which has nobody else; and each of their messages is delivered by all.
type liveness struct {
	ledger  *Ledger
	blocked map[int]bool
}

// Liveness judges the end of a history. If nobody is left that wants to be in the group
// there is nothing to judge.
func Liveness(l *Ledger) Judge { return &liveness{l, map[int]bool{}} }

// Promise names the promise.
func (j *liveness) Promise() string { return "liveness" }

// Hear judges the end.
func (j *liveness) Hear(f *Fact) error {
	switch f.Kind {
	case Blocked, Unblocked:
		j.blocked[j.ledger.node] = f.Kind == Blocked
	case Viewed, Expelled, Merged, Departed:
		j.blocked[j.ledger.node] = false
	case Ended:
		return j.end()
	}
	return nil
}

func (j *liveness) end() error {
	l := j.ledger
	in, first, members := none, none, 0
	for i := range l.lives {
		p := &l.lives[i]
		switch {
		case !p.up:
			continue
		case !p.willing && p.view != none:
			return fmt.Errorf("%v wants to leave and is still in %s", p.member, l.viewName(p.view))
		case !p.willing:
			continue
		case p.view == none:
			return fmt.Errorf("%v wants to be in the group and is in no view", p.member)
		case j.blocked[i]:
			return fmt.Errorf("%v is told that its group does not go on", p.member)
		case in == none:
			in, first = p.view, i
		case p.view != in:
			return fmt.Errorf("%v is in %s and %v is in %s", l.member(first), l.viewName(in), p.member, l.viewName(p.view))
		}
		members++
	}
	if in == none {
		return nil
	}
	v := l.views[in].view
	if len(v.Seats) != members {
		return fmt.Errorf("%d processes live and want to be in the group, and the view is %v", members, v)
	}
	return j.delivered(v)
}

// delivered judges that each message of a member of the last view is delivered by all, or
// was delivered in a view before, or is lost by the word of its sender.
func (j *liveness) delivered(v *view.View) error {
	l := j.ledger
	for i := range l.messages {
		m := &l.messages[i]
		sender := &l.lives[m.sender]
		if !v.Has(sender.member) || m.lost {
			continue
		}
		if m.view == none {
			return fmt.Errorf("%s was delivered by nobody", l.name(i))
		}
		if int(m.view) != sender.view {
			continue
		}
		for _, s := range v.Seats {
			if !s.Witness && !l.lives[l.find(s.Member)].had.has(i) {
				return fmt.Errorf("%s was delivered in %v, and not by %v", l.name(i), v.Name, s.Member)
			}
		}
	}
	return nil
}

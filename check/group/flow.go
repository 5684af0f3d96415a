package group

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// flow: what a member uses keeps within its limits, and a sender whose messages are not
// taken has been told why: who holds it up, or that a view change goes on, or that the
// group does not go on, or that it is not in it.
type flow struct {
	ledger   *Ledger
	patience Patience
	told     []excuse // by life
}

// excuse is what a life has been told.
type excuse struct {
	slow    view.Member
	blocked bool
	flushed time.Duration // when a view change was last heard of; 0: never
}

// Flow judges uses and refusals.
func Flow(l *Ledger, p Patience) Judge { return &flow{ledger: l, patience: p} }

// Promise names the promise.
func (j *flow) Promise() string { return "flow" }

// Hear judges a use or a refusal.
func (j *flow) Hear(f *Fact) error {
	l := j.ledger
	for len(j.told) < len(l.lives) {
		j.told = append(j.told, excuse{})
	}
	if l.node == none {
		return nil
	}
	told := &j.told[l.node]
	switch f.Kind {
	case Used:
		if f.Value > f.Limit {
			return fmt.Errorf("%v has %d %s; %d is the most", f.Node, f.Value, f.Name, f.Limit)
		}
	case Slowed:
		told.slow = f.Peer
	case Blocked, Unblocked:
		told.blocked = f.Kind == Blocked
	case Flushed:
		told.flushed = f.At
	case Viewed, Expelled, Merged, Departed:
		*told = excuse{}
	case Refused:
		if f.Peer.Known() && f.Since > j.patience.Name && told.slow != f.Peer {
			return fmt.Errorf("%v is held up by %v, and was told that %v does it", f.Node, f.Peer, told.slow)
		}
		changing := told.flushed != 0 && f.At-told.flushed < j.patience.Refuse
		if f.Since > j.patience.Refuse && !told.slow.Known() && !told.blocked && !changing && l.lives[l.node].view != none {
			return fmt.Errorf("%v could multicast nothing for %v and was not told who holds it up", f.Node, f.Since)
		}
	}
	return nil
}

// detector: a process that was heard and then is silent for long enough is suspected, and
// not before; and once everything is calm nobody is suspected that lives.
type detector struct {
	ledger   *Ledger
	patience Patience
	pairs    map[[2]int]bool // by life and peer's life: it is suspected
	calm     time.Duration   // 0: not yet
}

// Detector judges suspicions against the truth.
func Detector(l *Ledger, p Patience) Judge {
	return &detector{ledger: l, patience: p, pairs: map[[2]int]bool{}}
}

// Promise names the promise.
func (j *detector) Promise() string { return "detector" }

// Hear judges a silence or a suspicion.
func (j *detector) Hear(f *Fact) error {
	l := j.ledger
	pair := [2]int{l.node, l.peer}
	switch f.Kind {
	case Calmed:
		j.calm = f.At
	case Trusted, Heard:
		j.pairs[pair] = false
	case Suspected:
		j.pairs[pair] = true
		if f.Since != 0 && f.Since < j.patience.Hasty {
			return fmt.Errorf("%v suspects %v, which it heard %v ago", f.Node, f.Peer, f.Since)
		}
		if l.peer != none && l.lives[l.peer].up && j.calm != 0 && f.At-j.calm > j.patience.Settle {
			return fmt.Errorf("%v suspects %v, which lives, %v after calm", f.Node, f.Peer, f.At-j.calm)
		}
	case Quiet:
		suspected, heard := j.pairs[pair]
		if heard && !suspected && f.Since > j.patience.Detect {
			return fmt.Errorf("%v has heard nothing of %v for %v and does not suspect it", f.Node, f.Peer, f.Since)
		}
	case Ended:
		for i := range l.lives {
			for k := range l.lives {
				if l.lives[i].up && l.lives[k].up && j.pairs[[2]int{i, k}] {
					return fmt.Errorf("%v still suspects %v, which lives", l.member(i), l.member(k))
				}
			}
		}
	}
	return nil
}

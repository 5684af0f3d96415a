package group

import (
	"fmt"
	"slices"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// agreement: all that are told a view are told the same; a life's views have ever greater
// names and epochs; and who came along from where is told alike by all.
type agreement struct {
	ledger *Ledger
	last   map[int]view.Name // by life: the latest view that it was told
}

// Agreement judges the views that members are told.
func Agreement(l *Ledger) Judge { return agreement{l, map[int]view.Name{}} }

// Promise names the promise.
func (j agreement) Promise() string { return "view agreement" }

// Hear judges a view.
func (j agreement) Hear(f *Fact) error {
	l := j.ledger
	if f.Kind != Viewed {
		return nil
	}
	v := &l.views[l.to]
	if !slices.Equal(v.view.Seats, f.View.Seats) {
		return fmt.Errorf("%v was told the view %v, and %v was told %v", f.Node, f.View, l.member(v.by), v.view)
	}
	for _, p := range v.prev {
		if p.life == l.node {
			return fmt.Errorf("%v was told the view %v twice", f.Node, f.View.Name)
		}
	}
	if err := j.grows(f); err != nil {
		return err
	}
	defer func() { v.prev = append(v.prev, predecessor{l.node, l.from}) }()
	return j.company(f, v)
}

// grows judges that a view's name and epoch are greater than those of the view that this
// life was told before, and so than all.
func (j agreement) grows(f *Fact) error {
	l := j.ledger
	if former, there := j.last[l.node]; there && (f.View.Name.Epoch <= former.Epoch || !former.Less(f.View.Name)) {
		return fmt.Errorf("%v was told the view %v after %v", f.Node, f.View.Name, former)
	}
	j.last[l.node] = f.View.Name
	return nil
}

// company judges who is said to have come along: nobody but members of both views; and of
// those that were told the view before, exactly those that came from the same. Those who
// found a group come from no view, and are told of each other; those who are let in come
// from none, too, and are not.
func (j agreement) company(f *Fact, v *told) error {
	l := j.ledger
	for _, m := range f.Members {
		switch {
		case m == f.Node:
		case seat(f.View, m) == nil:
			return fmt.Errorf("%v was told in %v that %v came along, which is not in it", f.Node, f.View.Name, m)
		case l.from != none && seat(l.views[l.from].view, m) == nil:
			return fmt.Errorf("%v was told in %v that %v came along from %v, which was not in that", f.Node, f.View.Name, m, l.viewName(l.from))
		}
	}
	for _, p := range v.prev {
		other := l.member(p.life)
		along, same := slices.Contains(f.Members, other), p.from == l.from
		if along != same && !(l.from == none && same) {
			return fmt.Errorf("%v came from %s to %v, %v came from %s, and that it came along is told as %v",
				f.Node, l.viewName(l.from), f.View.Name, other, l.viewName(p.from), along)
		}
	}
	return nil
}

// inclusion: a view that a member is told has this life of it; messages are delivered to
// who is in a view and is no witness.
type inclusion struct{ ledger *Ledger }

// Inclusion judges that members are in their own views.
func Inclusion(l *Ledger) Judge { return inclusion{l} }

// Promise names the promise.
func (j inclusion) Promise() string { return "self-inclusion" }

// Hear judges a view or a delivery.
func (j inclusion) Hear(f *Fact) error {
	switch f.Kind {
	case Viewed:
		if !f.View.Has(f.Node) {
			return fmt.Errorf("%v was told the view %v and is not in it", f.Node, f.View)
		}
	case Delivered:
		p := &j.ledger.lives[j.ledger.node]
		if p.view == none {
			return fmt.Errorf("%v delivered message %d of %v and is in no view", f.Node, f.Number, f.Peer)
		}
		if s := seat(j.ledger.views[p.view].view, f.Node); s != nil && s.Witness {
			return fmt.Errorf("%v is a witness and delivered message %d of %v", f.Node, f.Number, f.Peer)
		}
	}
	return nil
}

// chain: with one primary component views follow each other in one chain.
type chain struct {
	ledger *Ledger
	epochs map[view.Epoch]int
}

// Chain judges that one component at most goes on: there is one view of an epoch, and one
// that follows a view.
func Chain(l *Ledger) Judge {
	return &chain{ledger: l, epochs: map[view.Epoch]int{}}
}

// Promise names the promise.
func (j *chain) Promise() string { return "primary" }

// Hear judges a view.
func (j *chain) Hear(f *Fact) error {
	l := j.ledger
	switch f.Kind {
	case Perished:
		clear(j.epochs)
	case Viewed:
		if other, taken := j.epochs[f.View.Name.Epoch]; taken && other != l.to {
			return fmt.Errorf("%v was told %v, and %v was told %v: two views of one epoch",
				f.Node, f.View, l.member(l.views[other].by), l.views[other].view)
		}
		j.epochs[f.View.Name.Epoch] = l.to
		if l.from != none {
			return j.follows(f)
		}
	}
	return nil
}

// follows judges that a view is the only one after another.
func (j *chain) follows(f *Fact) error {
	l := j.ledger
	former := &l.views[l.from]
	if former.next != none && former.next != l.to {
		return fmt.Errorf("%v went from %s to %s, and another went from it to %s",
			f.Node, l.viewName(l.from), l.viewName(l.to), l.viewName(former.next))
	}
	former.next = l.to
	return nil
}

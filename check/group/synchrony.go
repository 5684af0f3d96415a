package group

import "fmt"

// move is from which view to which.
type move struct{ from, to int }

// synchrony: lives that go from one view to the next together have delivered the same
// messages in the first.
type synchrony struct {
	ledger *Ledger
	first  map[move]completion
}

// completion is what the first that went this way had delivered.
type completion struct {
	life      int
	delivered []int32
	set       bits
}

// Synchrony judges what was delivered in a view by those that go on together.
func Synchrony(l *Ledger) Judge { return &synchrony{l, map[move]completion{}} }

// Promise names the promise.
func (j *synchrony) Promise() string { return "view synchrony" }

// Hear judges a view that was left for the next.
func (j *synchrony) Hear(f *Fact) error {
	l := j.ledger
	if f.Kind != Viewed || l.from == none {
		return nil
	}
	if s := seat(l.views[l.from].view, f.Node); s != nil && s.Witness {
		return nil
	}
	way := move{l.from, l.to}
	first, there := j.first[way]
	if !there {
		j.first[way] = completion{l.node, l.done, of(l.done)}
		return nil
	}
	mine := of(l.done)
	for _, m := range l.done {
		if !first.set.has(int(m)) {
			return j.differ(way, l.node, first.life, int(m))
		}
	}
	for _, m := range first.delivered {
		if !mine.has(int(m)) {
			return j.differ(way, first.life, l.node, int(m))
		}
	}
	return nil
}

func (j *synchrony) differ(way move, has, hasNot, message int) error {
	l := j.ledger
	return fmt.Errorf("%v and %v went from %s to %s; the first delivered %s before, and the second did not",
		l.member(has), l.member(hasNot), l.viewName(way.from), l.viewName(way.to), l.name(message))
}

// sending: a message is delivered in one view by all, in which its sender's life is a
// member that is no witness, and which is none before the one in which it was multicast.
type sending struct{ ledger *Ledger }

// Sending judges the view in which a message is delivered. A message that waited for room
// at its sender belongs to the view in which it left.
func Sending(l *Ledger) Judge { return sending{l} }

// Promise names the promise.
func (j sending) Promise() string { return "sending view" }

// Hear judges a delivery.
func (j sending) Hear(f *Fact) error {
	l := j.ledger
	if f.Kind != Delivered || l.subject == none {
		return nil
	}
	p, m := &l.lives[l.node], &l.messages[l.subject]
	if p.view == none {
		return nil
	}
	in, sender := l.views[p.view].view, &l.lives[m.sender]
	switch s := seat(in, sender.member); {
	case int(m.view) != p.view:
		return fmt.Errorf("%v delivered %s in %v, and another did in %s", f.Node, l.name(l.subject), in.Name, l.viewName(int(m.view)))
	case s == nil || s.Witness:
		return fmt.Errorf("%v delivered %s in %v, in which its sender is not", f.Node, l.name(l.subject), in)
	case m.calledIn != none && in.Name.Less(l.views[m.calledIn].view.Name):
		return fmt.Errorf("%v delivered %s in %v, and it was multicast in %s", f.Node, l.name(l.subject), in.Name, l.viewName(int(m.calledIn)))
	}
	return nil
}

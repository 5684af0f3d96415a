package group

import "fmt"

// succession: of the messages of a sender that are FIFO or stronger none is delivered
// before one that was multicast earlier, and none is left out.
type succession struct {
	ledger *Ledger
	open   map[int][]leap // by message that was left out, if nobody has delivered it yet
}

// leap is a delivery by which a message was left out.
type leap struct{ life, view, message int }

// Succession judges the order of each sender's messages.
func Succession(l *Ledger) Judge { return &succession{l, map[int][]leap{}} }

// Promise names the promise.
func (j *succession) Promise() string { return "fifo" }

// Hear judges a delivery. The message before may be missing only if it belongs to another
// view, in which this life need not have been, or if its sender was told that it is lost.
// If nobody has delivered it yet its view is not known: then the first who does tells.
func (j *succession) Hear(f *Fact) error {
	l := j.ledger
	if f.Kind != Delivered || l.subject == none {
		return nil
	}
	for _, p := range j.open[l.subject] {
		if p.view == int(l.messages[l.subject].view) {
			return j.broken(p, l.subject)
		}
	}
	delete(j.open, l.subject)
	before := int(l.messages[l.subject].previous)
	if before == none || l.lives[l.node].had.has(before) || l.messages[before].lost {
		return nil
	}
	p := leap{l.node, l.lives[l.node].view, l.subject}
	switch int(l.messages[before].view) {
	case none:
		j.open[before] = append(j.open[before], p)
	case p.view:
		return j.broken(p, before)
	}
	return nil
}

func (j *succession) broken(p leap, before int) error {
	l := j.ledger
	return fmt.Errorf("in %s %v delivered %s and not %s, which was multicast before",
		l.viewName(p.view), l.member(p.life), l.name(p.message), l.name(before))
}

// causality: a causal message is delivered after all causal messages that happened before
// it: those that its sender had multicast or delivered before it multicast it, and so on.
type causality struct {
	ledger *Ledger
	lives  []past    // by life
	before [][]int32 // by message: how many causal messages of each life happened before it; nil: it is not causal
	place  []int32   // by message: it is the so-manieth causal one of its sender
}

// past is what is known of one life.
type past struct {
	causal []int32 // its causal messages, in the order in which they were multicast
	known  []int32 // how many causal messages of each life it has delivered or sent, or knows of
	had    []int32 // how many of each life it has delivered
}

// Causality judges the order of causal messages. What happened before what is worked out
// from the history, not taken from any message.
func Causality(l *Ledger) Judge { return &causality{ledger: l} }

// Promise names the promise.
func (j *causality) Promise() string { return "causal" }

// Hear judges a delivery.
func (j *causality) Hear(f *Fact) error {
	l := j.ledger
	for len(j.lives) < len(l.lives) {
		j.lives = append(j.lives, past{})
	}
	for len(j.before) < len(l.messages) {
		j.before, j.place = append(j.before, nil), append(j.place, 0)
	}
	switch {
	case f.Order&Causal != Causal:
	case f.Kind == Multicast:
		p := &j.lives[l.node]
		j.before[l.subject] = append(make([]int32, 0, len(p.known)), p.known...)
		p.causal = append(p.causal, int32(l.subject))
		j.place[l.subject] = int32(len(p.causal))
		raise(&p.known, l.node, int32(len(p.causal)))
	case f.Kind == Delivered && l.subject != none && j.before[l.subject] != nil:
		return j.delivered(f)
	}
	return nil
}

// delivered judges one delivery. Of each life the latest message that happened before is
// looked at: if it is of this view it must be here.
func (j *causality) delivered(f *Fact) error {
	l, p := j.ledger, &j.lives[j.ledger.node]
	for of, n := range j.before[l.subject] {
		if n == 0 || at(p.had, of) >= n {
			continue
		}
		m := int(j.lives[of].causal[n-1])
		if int(l.messages[m].view) == l.lives[l.node].view && !l.lives[l.node].had.has(m) {
			return fmt.Errorf("%v delivered %s and not %s, which happened before", f.Node, l.name(l.subject), l.name(m))
		}
	}
	sender, place := int(l.messages[l.subject].sender), j.place[l.subject]
	for of, n := range j.before[l.subject] {
		raise(&p.known, of, n)
	}
	raise(&p.known, sender, place)
	raise(&p.had, sender, place)
	return nil
}

func at(v []int32, i int) int32 {
	if i < len(v) {
		return v[i]
	}
	return 0
}

func raise(v *[]int32, i int, n int32) {
	for len(*v) <= i {
		*v = append(*v, 0)
	}
	(*v)[i] = max((*v)[i], n)
}

package group

import "fmt"

// end is where those are said to go that are still in their view when the history ends.
const end = -2

// totality: those that go on together have delivered the total messages of the view that
// they come from in the same order.
type totality struct {
	ledger *Ledger
	first  map[move]sequence
}

// sequence is the total messages of a view in the order in which one life delivered them.
type sequence struct {
	life  int
	place map[int32]int
}

// Totality judges the order of total messages, pair by pair.
func Totality(l *Ledger) Judge { return &totality{l, map[move]sequence{}} }

// Promise names the promise.
func (j *totality) Promise() string { return "total" }

// Hear judges a view that was left for the next, and at the end the views that lives are in.
func (j *totality) Hear(f *Fact) error {
	l := j.ledger
	switch {
	case f.Kind == Viewed && l.from != none:
		return j.judge(move{l.from, l.to}, l.node, l.done)
	case f.Kind == Ended:
		for i := range l.lives {
			if p := &l.lives[i]; p.up && p.view != none {
				if err := j.judge(move{p.view, end}, i, p.inView); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (j *totality) judge(way move, who int, delivered []int32) error {
	l := j.ledger
	first, there := j.first[way]
	if !there {
		j.first[way] = sequence{who, places(l, delivered)}
		return nil
	}
	highest, at := none, none
	for _, m := range delivered {
		place, common := first.place[m]
		switch {
		case !common:
		case place < highest:
			return fmt.Errorf("in %s %v delivered %s before %s, and %v the other way round",
				l.viewName(way.from), l.member(who), l.name(at), l.name(int(m)), l.member(first.life))
		default:
			highest, at = place, int(m)
		}
	}
	return nil
}

// places gives the place of each total message among what was delivered.
func places(l *Ledger, delivered []int32) map[int32]int {
	place := map[int32]int{}
	for i, m := range delivered {
		if l.messages[m].order&Total != 0 {
			place[m] = i
		}
	}
	return place
}

// uniformity: what any life delivered uniformly in a view before it crashed, was expelled
// or left, everybody has delivered that goes on from it; and uniform total messages are
// delivered in one sequence, of which those that do not go on deliver a beginning.
type uniformity struct {
	ledger  *Ledger
	primary bool
	ends    map[int][]finish // by view: how its members went on
	gone    map[int][]finish // by view: those that did not
}

// finish is what one life had delivered uniformly when it left a view.
type finish struct {
	life, to int
	uniform  []int32
	total    []int32 // of these, the total ones
}

// Uniformity judges what members delivered that then crash, are expelled, or leave. Where more
// than one component may go on, one that leaves ends its view with one of them, and the others
// need not have what they have: it is judged with one primary component only.
func Uniformity(l *Ledger, primary bool) Judge {
	return &uniformity{l, primary, map[int][]finish{}, map[int][]finish{}}
}

// Promise names the promise.
func (j *uniformity) Promise() string { return "uniform" }

// Hear judges a member that goes on or does not.
func (j *uniformity) Hear(f *Fact) error {
	l := j.ledger
	switch f.Kind {
	case Viewed:
		if l.from != none {
			return j.goesOn(l.from, j.finish(l.node, l.to, l.done))
		}
	case Crashed, Expelled, Departed:
		if l.from == none || f.Kind == Departed && !j.primary {
			return nil
		}
		d := j.finish(l.node, none, l.done)
		j.gone[l.from] = append(j.gone[l.from], d)
		for _, g := range j.ends[l.from] {
			if err := j.compare(l.from, d, g); err != nil {
				return err
			}
		}
	case Ended:
		for i := range l.lives {
			if p := &l.lives[i]; p.up && p.view != none {
				if err := j.goesOn(p.view, j.finish(i, end, p.inView)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (j *uniformity) finish(life, to int, delivered []int32) finish {
	g := finish{life: life, to: to}
	for _, m := range delivered {
		order := j.ledger.messages[m].order
		if order&Uniform == 0 {
			continue
		}
		g.uniform = append(g.uniform, m)
		if order&Total != 0 {
			g.total = append(g.total, m)
		}
	}
	return g
}

// goesOn judges a member that goes on against those that did not.
func (j *uniformity) goesOn(in int, g finish) error {
	l := j.ledger
	if s := seat(l.views[in].view, l.member(g.life)); s != nil && s.Witness {
		return nil
	}
	for _, d := range j.gone[in] {
		if err := j.compare(in, d, g); err != nil {
			return err
		}
	}
	for _, other := range j.ends[in] {
		if other.to == g.to {
			return nil // one that goes each way is enough for those to be compared with that come later
		}
	}
	j.ends[in] = append(j.ends[in], g)
	return nil
}

// compare judges one that ended in a view against one that goes on from it.
func (j *uniformity) compare(in int, d, g finish) error {
	l := j.ledger
	if s := seat(l.views[in].view, l.member(d.life)); s == nil {
		return nil
	}
	has := of(g.uniform)
	for _, m := range d.uniform {
		if !has.has(int(m)) {
			return fmt.Errorf("%v delivered %s in %s, and did not go on; %v does and did not",
				l.member(d.life), l.name(int(m)), l.viewName(in), l.member(g.life))
		}
	}
	for i, m := range d.total {
		if g.total[i] != m {
			return fmt.Errorf("%v, which did not go on, delivered %s as uniform total message %d of %s; at %v, which goes on, that is %s",
				l.member(d.life), l.name(int(m)), i+1, l.viewName(in), l.member(g.life), l.name(int(g.total[i])))
		}
	}
	return nil
}

package group

import (
	"fmt"
	"maps"
	"slices"
)

// integrity: a message is delivered at most once in a life, as it was multicast; none is
// that was not; and of its own messages each life delivers all, or is told which are lost.
type integrity struct {
	ledger *Ledger
	owed   map[int]int // by life: so many of its own messages must be settled by now
}

// Integrity judges each delivery against what was multicast.
func Integrity(l *Ledger) Judge { return &integrity{l, map[int]int{}} }

// Promise names the promise.
func (j *integrity) Promise() string { return "integrity" }

// Hear judges a delivery, and what became of the messages of a member that was expelled.
func (j *integrity) Hear(f *Fact) error {
	l := j.ledger
	switch f.Kind {
	case Delivered:
		return j.delivered(f)
	case Lost:
		p := &l.lives[l.node]
		if f.Number == 0 || f.Last < f.Number || f.Last > uint64(len(p.sent)) {
			return fmt.Errorf("%v was told that its messages %d to %d are lost, and it multicast %d", f.Node, f.Number, f.Last, len(p.sent))
		}
		for _, m := range p.sent[f.Number-1 : f.Last] {
			if p.had.has(int(m)) {
				return fmt.Errorf("%v was told that its message %d is lost, and had delivered it", f.Node, l.messages[m].number)
			}
		}
	case Expelled:
		j.owed[l.node] = len(l.lives[l.node].sent)
	case Booted, Crashed:
		delete(j.owed, l.node)
	case Ended:
		// Not at the next view: an owner that is slow is told late of its expulsion, and
		// what it multicast meanwhile waits for that view.
		return j.settled()
	}
	return nil
}

// settled says which message of a member that was expelled nobody accounts for.
func (j *integrity) settled() error {
	l := j.ledger
	for _, life := range slices.Sorted(maps.Keys(j.owed)) {
		p := &l.lives[life]
		for _, m := range p.sent[:j.owed[life]] {
			if !p.given.has(int(m)) && !l.messages[m].lost {
				return fmt.Errorf("%v was expelled; its message %d was not delivered to it, is not in its state, and it was not told that it is lost",
					p.member, l.messages[m].number)
			}
		}
	}
	return nil
}

func (j *integrity) delivered(f *Fact) error {
	l := j.ledger
	if l.subject == none {
		return fmt.Errorf("%v delivered message %d of %v, which it never multicast", f.Node, f.Number, f.Peer)
	}
	m := &l.messages[l.subject]
	switch {
	case l.again:
		return fmt.Errorf("%v delivered %s twice", f.Node, l.name(l.subject))
	case m.sum != f.Sum || m.size != f.Size:
		return fmt.Errorf("%v delivered %s with %d bytes that sum up to %x; it was multicast with %d that sum up to %x",
			f.Node, l.name(l.subject), f.Size, f.Sum, m.size, m.sum)
	case m.order != f.Order:
		return fmt.Errorf("%v delivered %s in the order %d; it was multicast in the order %d", f.Node, l.name(l.subject), f.Order, m.order)
	case m.lost && int(m.sender) == l.node:
		return fmt.Errorf("%v delivered %s, of which it was told that it is lost", f.Node, l.name(l.subject))
	}
	return nil
}

// transfer: at the beginning of a view all members have the same state: those that were
// there have what they delivered, and those that are let in have what they were given.
// Total messages are in the same order in it.
type transfer struct {
	ledger *Ledger
	first  map[int]state // by view
}

// state is what the first that was told a view had as its state.
type state struct {
	life  int
	held  []int32
	set   bits
	total []int32
}

// Transfer judges the states of members at the beginning of each view. What comes after it
// is left to the judges of deliveries: a state and all messages of the view, each once.
func Transfer(l *Ledger) Judge { return &transfer{l, map[int]state{}} }

// Promise names the promise.
func (j *transfer) Promise() string { return "state transfer" }

// Hear judges a view or a delivery.
func (j *transfer) Hear(f *Fact) error {
	l := j.ledger
	switch f.Kind {
	case Delivered:
		if l.lives[l.node].restoring {
			return fmt.Errorf("%v delivered message %d of %v before it had the state", f.Node, f.Number, f.Peer)
		}
	case Viewed:
		if s := seat(f.View, f.Node); s == nil || s.Witness {
			return nil
		}
		mine := l.state(l.node)
		first, there := j.first[l.to]
		if !there {
			j.first[l.to] = mine
			return nil
		}
		return j.compare(f, first, mine)
	}
	return nil
}

func (l *Ledger) state(life int) state {
	s := state{life: life, held: l.lives[life].held}
	s.held = s.held[:len(s.held):len(s.held)]
	for _, m := range s.held {
		if m == none {
			continue
		}
		s.set.add(int(m))
		if l.messages[m].order&Total != 0 {
			s.total = append(s.total, m)
		}
	}
	return s
}

func (j *transfer) compare(f *Fact, first, mine state) error {
	l := j.ledger
	lack := func(has, hasNot *state) error {
		for _, m := range has.held {
			if m == none || !hasNot.set.has(int(m)) {
				return fmt.Errorf("in %v %v begins with %s in its state, and %v without", f.View.Name, l.member(has.life), l.name(int(m)), l.member(hasNot.life))
			}
		}
		return nil
	}
	if err := lack(&first, &mine); err != nil {
		return err
	}
	if err := lack(&mine, &first); err != nil {
		return err
	}
	if len(first.held) != len(mine.held) {
		return fmt.Errorf("in %v %v begins with %d messages in its state, and %v with %d: one is there twice",
			f.View.Name, l.member(first.life), len(first.held), f.Node, len(mine.held))
	}
	for i, m := range first.total {
		if i >= len(mine.total) || mine.total[i] != m {
			return fmt.Errorf("in %v %v begins with %s as total message %d in its state, and %v with another",
				f.View.Name, l.member(first.life), l.name(int(m)), i+1, f.Node)
		}
	}
	return nil
}

package group

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// none is the index of no life, view or message.
const none = -1

// Ledger works out from the history what each life is in, has delivered and holds, and
// which view each message belongs to. It judges nothing but that the history can be. The
// other judges read it, and hear each fact after it.
type Ledger struct {
	lives    []life
	byMember map[view.Member]int
	views    []told
	byName   map[view.Name]int
	messages []message

	// What the present fact is about; none where it is about none.
	node, peer int
	subject    int  // the message
	again      bool // it was delivered to this life before
	from, to   int  // views of a life that goes from one to another
	done       []int32
}

// life is one life of a process.
type life struct {
	member    view.Member
	up        bool
	willing   bool // wants to be in the group
	view      int  // the view that it is in, or none
	restoring bool
	sent      []int32 // messages, by number less one
	ordered   int32   // the last that is FIFO or stronger
	had       bits    // what it has delivered
	inView    []int32 // of that, in the present view, in order
	held      []int32 // what is in its state, in order
	given     bits    // what it has delivered or was given with a state
}

// told is a view as it was told first.
type told struct {
	view *view.View
	by   int // the life
	prev []predecessor
	next int // the view to which somebody went first, or none
}

// predecessor is where a life came from into a view.
type predecessor struct{ life, from int }

// message is one message of one life.
type message struct {
	sender   int32
	calledIn int32 // the view that its sender was in
	view     int32 // the view in which it was delivered first, or none
	previous int32 // the sender's message before it that is FIFO or stronger, if it is as well
	number   uint64
	order    Order
	sum      uint64
	size     int
	lost     bool
}

// NewLedger makes an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{byMember: map[view.Member]int{}, byName: map[view.Name]int{}}
}

// Promise is what the ledger stands for.
func (l *Ledger) Promise() string { return "history" }

// Hear enters a fact. It returns an error for a history that cannot be.
func (l *Ledger) Hear(f *Fact) error {
	l.node, l.peer, l.subject, l.again, l.from, l.to, l.done = l.find(f.Node), l.find(f.Peer), none, false, none, none, nil
	if f.Kind == Booted {
		l.boot(f.Node)
		return nil
	}
	if f.Kind == Perished {
		return l.perish()
	}
	if f.Kind == Calmed || f.Kind == Ended {
		return nil
	}
	if l.node == none || !l.lives[l.node].up {
		return fmt.Errorf("%v does not live, and fact %d is about it", f.Node, f.Kind)
	}
	p := &l.lives[l.node]
	switch f.Kind {
	case Crashed:
		l.from, l.done = p.view, p.inView
		p.up, p.willing, p.view, p.inView = false, false, none, nil
	case Joined:
		p.willing = true
	case Left:
		p.willing = false
	case Viewed:
		l.viewed(p, f)
	case Expelled, Merged, Departed:
		l.from, l.done = p.view, p.inView
		p.view, p.inView = none, nil
	case Multicast:
		return l.multicast(p, f)
	case Delivered:
		l.delivered(p, f)
	case Lost:
		for n := f.Number; n <= f.Last && n-1 < uint64(len(p.sent)); n++ {
			l.messages[p.sent[n-1]].lost = true
		}
	case Emptied:
		p.restoring, p.held = true, nil
	case Restored:
		l.restored(p, f)
	}
	return nil
}

// find gives the index of a life, or none.
func (l *Ledger) find(m view.Member) int {
	if i, ok := l.byMember[m]; ok {
		return i
	}
	return none
}

func (l *Ledger) boot(m view.Member) {
	l.node = len(l.lives)
	l.byMember[m] = l.node
	l.lives = append(l.lives, life{member: m, up: true, view: none, ordered: none})
}

func (l *Ledger) perish() error {
	for i := range l.lives {
		if l.lives[i].up {
			return fmt.Errorf("the group is said to be gone, and %v lives", l.lives[i].member)
		}
	}
	clear(l.byName)
	return nil
}

func (l *Ledger) viewed(p *life, f *Fact) {
	to, known := l.byName[f.View.Name]
	if !known {
		to = len(l.views)
		l.views = append(l.views, told{view: f.View, by: l.node, next: none})
		l.byName[f.View.Name] = to
	}
	l.from, l.to, l.done = p.view, to, p.inView
	p.view, p.inView = to, nil
}

func (l *Ledger) multicast(p *life, f *Fact) error {
	if want := uint64(len(p.sent)) + 1; f.Number != want {
		return fmt.Errorf("message %d of %v was taken, and the next would be %d", f.Number, f.Node, want)
	}
	m := message{
		sender: int32(l.node), calledIn: int32(p.view), view: none, previous: none,
		number: f.Number, order: f.Order, sum: f.Sum, size: f.Size,
	}
	l.subject = len(l.messages)
	if f.Order&FIFO != 0 {
		m.previous, p.ordered = p.ordered, int32(l.subject)
	}
	l.messages = append(l.messages, m)
	p.sent = append(p.sent, int32(l.subject))
	return nil
}

func (l *Ledger) delivered(p *life, f *Fact) {
	l.subject = l.message(f.Peer, f.Number)
	if l.subject == none {
		return
	}
	m := &l.messages[l.subject]
	l.again = p.had.has(l.subject)
	p.had.add(l.subject)
	p.given.add(l.subject)
	p.inView = append(p.inView, int32(l.subject))
	p.held = append(p.held, int32(l.subject))
	if m.view == none {
		m.view = int32(p.view)
	}
}

// message gives the index of a message, or none if it was never multicast.
func (l *Ledger) message(from view.Member, number uint64) int {
	sender := l.find(from)
	if sender == none || number-1 >= uint64(len(l.lives[sender].sent)) {
		return none
	}
	return int(l.lives[sender].sent[number-1])
}

func (l *Ledger) restored(p *life, f *Fact) {
	p.restoring = false
	p.held = make([]int32, 0, len(f.Entries))
	for i := range f.Entries {
		m := l.message(f.Entries[i].From, f.Entries[i].Number)
		p.held = append(p.held, int32(m))
		if m != none {
			p.given.add(m)
		}
	}
}

// name gives a message as a text: "m2#1's message 7".
func (l *Ledger) name(message int) string {
	if message == none {
		return "a message that never was"
	}
	m := &l.messages[message]
	return fmt.Sprintf("%v's message %d", l.lives[m.sender].member, m.number)
}

// viewName gives a view's name as a text.
func (l *Ledger) viewName(i int) string {
	if i == none {
		return "no view"
	}
	return l.views[i].view.Name.String()
}

// member gives the life of an index.
func (l *Ledger) member(i int) view.Member { return l.lives[i].member }

// seat gives a life's seat in a view, nil if it has none.
func seat(v *view.View, m view.Member) *view.Seat {
	if i := v.Rank(m.ID); i >= 0 && v.Seats[i].Member == m {
		return &v.Seats[i]
	}
	return nil
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) has(i int) bool { return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0 }

func (b *bits) add(i int) {
	for i/64 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i/64] |= 1 << (i % 64)
}

// of makes a set of a list.
func of(list []int32) bits {
	var b bits
	for _, i := range list {
		b.add(int(i))
	}
	return b
}

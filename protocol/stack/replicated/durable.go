package replicated

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// durable is what a replica with a store does beside its machine: it tells the others how far
// its disk has come, and keeps answers back until enough disks have what they stand on.
type durable struct {
	store *Store
	self  view.ID
	seats []view.Seat // whom the configuration names
	view  *view.View  // nil: in none, or without the state
	saved []saved     // by seat: what they have told in this era
	held  []held
	bytes int      // of held
	tells []uint64 // numbers of own messages under way that the machine does not know

	told    uint64     // what the others know of this disk
	era     view.Epoch // of the last view
	stand   bool       // the group must be told what this member has
	spoiled bool       // what is in memory is not what the disk has; only another's state helps
	full    bool       // the group is told that this member is slow
	pledges []view.Epoch
	kept    []view.Epoch
	work    []byte
}

// saved is how far the disk of one life of a member has come.
type saved struct {
	life  view.Member
	index uint64
}

// held is an answer that is kept back.
type held struct {
	index uint64
	to    replica.Client
	data  []byte
}

// Stable is the index up to which clients may be told of commands: they cannot be lost, since more than half of the configured
// votes have them on disks, or without a store, in memory; and they are sure.
func (r *Replica) Stable() uint64 {
	if r.lasting == nil {
		return r.machine.Sure()
	}
	return min(r.machine.Sure(), r.lasting.stable())
}

// Failed is why the disk cannot be written any more; nil while it can. Then nothing more is
// executed or answered here, and the process must end.
func (r *Replica) Failed() error {
	if r.lasting == nil {
		return nil
	}
	return r.lasting.store.failure
}

// Written takes what the disk has come to. Act must follow.
func (r *Replica) Written() {
	if d := r.lasting; d != nil {
		d.store.progress(func(era view.Epoch) { d.kept = append(d.kept, era) })
		d.note(d.me(), d.store.saved)
	}
}

func newDurable(store *Store, self view.Member, seats []view.Seat) *durable {
	d := &durable{store: store, self: self.ID, seats: seats, saved: make([]saved, len(seats)), stand: true}
	d.saved[d.place(self.ID)].life = self
	return d
}

func (d *durable) place(id view.ID) int {
	for i, s := range d.seats {
		if s.ID == id {
			return i
		}
	}
	return -1
}

func (d *durable) me() view.Member { return d.saved[d.place(d.self)].life }

// note takes what a member has told of its disk.
func (d *durable) note(from view.Member, index uint64) {
	i := d.place(from.ID)
	if i < 0 {
		return
	}
	if s := &d.saved[i]; s.life == from {
		s.index = max(s.index, index)
		return
	}
	d.saved[i] = saved{from, index}
}

// need is how many votes must have a command.
func (d *durable) need() int {
	if canary == CountsView && d.view != nil {
		return d.view.Quorum()
	}
	whole := view.View{Seats: d.seats}
	return whole.Quorum()
}

// stable is the greatest index that disks with enough votes have.
func (d *durable) stable() uint64 {
	switch canary {
	case AnswersUnsaved:
		return d.store.exec.Index()
	case TrustsOneDisk:
		return d.store.saved
	}
	best, need := uint64(0), d.need()
	for i := range d.saved {
		if d.saved[i].index <= best {
			continue
		}
		votes := 0
		for k := range d.saved {
			if d.saved[k].index >= d.saved[i].index && !d.seats[k].Witness {
				votes += int(d.seats[k].Votes)
			}
		}
		if votes >= need {
			best = d.saved[i].index
		}
	}
	return best
}

// viewed takes a view, before the machine does.
func (d *durable) viewed(v *view.View, era view.Epoch) {
	for i := range d.saved {
		if era != d.era || d.seats[i].ID == d.self && d.store.arrived != nil {
			d.saved[i].index = 0 // a former era's, or of a state that is not there any more
		}
	}
	d.era = era
	d.store.enter(era)
	for _, s := range v.Seats {
		d.note(s.Member, 0)
	}
	d.view, d.spoiled, d.stand = v, false, false
	d.told = 0 // who comes in has heard nothing
}

// out tells that there is no view. Answers that are kept back are not given: clients ask again.
func (d *durable) out() {
	d.view, d.held, d.bytes, d.tells = nil, nil, 0, d.tells[:0]
}

// few says whether the view has too few votes to answer anything.
func (d *durable) few() bool {
	if d.view == nil {
		return false
	}
	votes := 0
	for _, s := range d.view.Seats {
		if !s.Witness {
			votes += int(s.Votes)
		}
	}
	return votes < d.need()
}

// busy refuses a request that could not be answered, or says false.
func (r *Replica) busy(from replica.Client, request []byte) bool {
	d := r.lasting
	if d == nil || d.store.failure == nil && !d.few() && len(d.store.waiting) == 0 && d.bytes <= heldMax {
		return false
	}
	r.out.Refuse(from, request, session.Busy, view.Nobody)
	return true
}

// hold keeps back the answers from the first-th on if the disks do not have what they stand on.
func (r *Replica) hold(first int) {
	d := r.lasting
	if d == nil || len(r.out.Replies) == first {
		return
	}
	index := r.machine.Sure()
	if len(d.held) == 0 && index <= d.stable() {
		return
	}
	for _, a := range r.out.Replies[first:] {
		d.held = append(d.held, held{index, a.To, bytes.Clone(a.Data)})
		d.bytes += len(a.Data)
	}
	r.out.Replies = r.out.Replies[:first]
}

// release gives the answers that were kept back long enough.
func (d *durable) release(out *replica.Output) {
	if len(d.held) == 0 {
		return
	}
	stable, n := d.stable(), 0
	for n < len(d.held) && d.held[n].index <= stable {
		out.Replies = append(out.Replies, replica.Reply{To: d.held[n].to, Data: d.held[n].data})
		d.bytes -= len(d.held[n].data)
		d.held[n].data = nil // the list behind it may stay long
		n++
	}
	d.held = d.held[n:]
}

// open takes a message's head off; false if nothing is left for the machine.
func (r *Replica) open(d *cohort.Delivery, payload []byte) ([]byte, bool) {
	l := r.lasting
	if l == nil {
		return payload, true
	}
	index, n := binary.Uvarint(payload)
	if n <= 0 {
		return nil, false
	}
	if d.From.ID != l.self {
		l.note(d.From, index)
	}
	if len(payload) == n && d.From.ID == l.self && len(l.tells) > 0 && l.tells[0] == d.Number {
		l.tells = l.tells[1:]
	}
	return payload[n:], len(payload) > n
}

// head is how long the head of a message may be.
func (r *Replica) head() int {
	if r.lasting == nil {
		return 0
	}
	return headMax
}

// seal puts the head before a message.
func (r *Replica) seal(payload []byte) []byte {
	d := r.lasting
	if d == nil {
		return payload
	}
	d.told = d.store.saved
	d.work = binary.AppendUvarint(d.work[:0], d.told)
	d.work = append(d.work, payload...)
	return d.work
}

// lost is how many of the messages that will not be delivered are the machine's.
func (r *Replica) lost(first, last uint64) int {
	count := int(last - first + 1)
	if d := r.lasting; d != nil {
		kept := d.tells[:0]
		for _, n := range d.tells {
			if first <= n && n <= last {
				count--
			} else {
				kept = append(kept, n)
			}
		}
		d.tells = kept
	}
	return count
}

// actLasting does what has to do with the disk. It reports whether the node was called.
func (r *Replica) actLasting(now time.Time, out *cohort.Output) (called bool) {
	d := r.lasting
	if d == nil || d.store.failure != nil {
		return false
	}
	d.store.settle(r.machine.Sure())
	d.store.flush()
	for _, era := range d.pledges {
		d.store.pledge(era)
		if canary == PromisesUnsaved {
			d.kept = append(d.kept, era)
		}
	}
	d.pledges = d.pledges[:0]
	for _, era := range d.kept {
		called = true
		r.group.Pledged(now, era, out)
	}
	d.kept = d.kept[:0]
	if d.stand && !d.spoiled && r.group.View() == nil {
		called = true
		r.group.Stand(now, d.store.standing(), out)
	}
	d.stand = false // what comes later is about what is to be heeded first
	if d.view != nil && d.told < d.store.saved && len(d.view.Seats) > 1 {
		d.work = binary.AppendUvarint(d.work[:0], d.store.saved)
		if number, ok := r.group.Multicast(now, order.Order(0), d.work, out); ok {
			called, d.told = true, d.store.saved
			d.tells = append(d.tells, number)
		}
	}
	if full := len(d.store.waiting) > 0; full != d.full {
		called, d.full = true, full
		r.group.Throttle(full)
	}
	d.release(&r.out)
	return called
}

// undo takes back what this member has executed and is not sure, now that it is in no view: what it stands for at
// a founding is what it has written.
func (r *Replica) undo() {
	d := r.lasting
	if !d.store.isAhead() {
		return
	}
	if r.machine.Stopped() != nil {
		d.spoil(nil) // nobody knows which state is right
		return
	}
	if err := d.store.undo(); err != nil && d.store.failure == nil {
		d.store.failure = fmt.Errorf("what was executed and is not sure cannot be undone; restart the process, which then has what is on its disk: %w", err)
	}
}

// spoil notes that what is in memory is not to be relied on.
func (d *durable) spoil(err error) {
	if d.spoiled = true; err != nil && d.store.failure == nil {
		d.store.failure = fmt.Errorf("the state that came from another member cannot be read, and the own one is gone from memory; restart the process, which then has what is on its disk: %w", err)
	}
}

package holdfast

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Order says how a message is delivered relative to others. It is chosen for each
// message; messages of all orders may be mixed in a group. The zero Order is reliable
// delivery without order.
type Order uint8

// The flags. FIFO, Causal and neither, each with Total or not, are six combinations;
// each of them can be Uniform.
const (
	// FIFO: after what the sender multicast before with FIFO or Causal.
	FIFO Order = 1 << iota
	causal
	// Total: in the same place for all members, among all messages with Total. Alone it
	// does not keep the order in which one sender multicasts; Total|FIFO does.
	Total
	// Uniform: not before so many members have the message that it is not lost, whoever
	// crashes. So what a member that crashes has delivered, all that stay deliver.
	Uniform
	// Causal: after all messages with Causal that the sender had delivered, or multicast
	// itself, before this one. It includes FIFO.
	Causal = FIFO | causal
)

// Group is a process's place in a group. Its methods may be called from any goroutine,
// but only one may ask for events.
type Group struct {
	node *Node
	name string
	at   *driver.Group
	view atomic.Pointer[View]
}

// Name is the group's name.
func (g *Group) Name() string { return g.name }

// View is the view that the application was told last, by Next or Events; nil before.
func (g *Group) View() *View { return g.view.Load() }

// Multicast sends a message to all members of the group, this one included, and returns
// as soon as it is queued. The payload is copied. The number counts this process's
// messages in the group from 1; the event of its delivery has it too.
//
// It waits while the queue is full: because messages come faster than the slowest member
// takes them, because the group is [Blocked], or because this process does not ask for
// its events (so do not wait in the goroutine that does). If ctx ends first, the error
// is an [*Error] of kind [Waiting] that says which of these it is, and nothing was sent.
// Other kinds: [TooLong] and [Invalid], which concern the message; [Departed] and
// [Closed], which concern all.
//
// That a message is queued does not mean that it is delivered: if this member crashes or
// is expelled it may be lost. In the latter case [Lost] tells so.
func (g *Group) Multicast(ctx context.Context, payload []byte, o Order) (number uint64, err error) {
	if number, err = g.at.Multicast(ctx, order.Order(o), payload); err != nil {
		return 0, failure("multicast", g.name, err)
	}
	return number, nil
}

// Confirm is Multicast, and returns when the message has been delivered to this member:
// its place in the order is fixed then, and with Uniform it outlives every crash that the
// group survives. It does not wait for the application to ask for the event.
//
// The errors are those of Multicast, and [Lost]: this member was expelled and the others
// may or may not have the message. If ctx ends after the message was queued, the number
// is not 0 and the message may still be delivered.
func (g *Group) Confirm(ctx context.Context, payload []byte, o Order) (number uint64, err error) {
	if number, err = g.at.Confirm(ctx, order.Order(o), payload); err != nil {
		return number, failure("confirm", g.name, err)
	}
	return number, nil
}

// Next waits for the next event and gives it. Its Payload is valid until Next is called
// again. When there will be no more, the error is an [*Error] of kind [Departed] after
// Leave, of kind [Closed] after Close, and of kind [Failed] if Snapshot or Restore failed. If
// ctx ends the kind is [Waiting], and nothing is lost: ask again. While a state is given or
// restored, which happens in here, ctx is not looked at.
func (g *Group) Next(ctx context.Context) (Event, error) {
	e, err := g.at.Next(ctx)
	if err != nil {
		return Event{}, failure("next", g.name, err)
	}
	if e.Kind == cohort.Message {
		return Event{
			Kind: Message, From: g.node.nameOf(int(e.From.ID)), Number: e.Number,
			Order: Order(e.Order), Payload: e.Payload,
		}, nil
	}
	return g.notice(e), nil
}

// Events gives the events one by one, as Next does. The iteration ends after the
// departure of this member; for every other reason that Next has, it gives the error as
// its last pair.
func (g *Group) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := g.Next(ctx)
			if err != nil {
				if !errors.Is(err, driver.ErrDeparted) {
					yield(Event{}, err)
				}
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Leave leaves the group, after all that was multicast before has been handed on, and
// waits until the others know. Events up to that point can still be asked for; those
// beyond what the queue holds are discarded if nobody does. If ctx ends first, the
// error is an [*Error] of kind [Waiting], and the leaving goes on.
func (g *Group) Leave(ctx context.Context) error {
	if err := g.at.Leave(ctx); err != nil {
		return failure("leave", g.name, err)
	}
	return nil
}

// notice turns an event that is not a message into ours.
func (g *Group) notice(e *driver.Event) Event {
	d := e.Notice
	out := Event{Kind: kindOf(e.Kind), Number: d.Number, Last: d.Last, Reason: d.Refusal, Members: g.names(d.Missing)}
	switch e.Kind {
	case cohort.Viewed:
		out.View = g.viewOf(d)
		g.view.Store(out.View)
	case cohort.Slow:
		out.From = g.node.nameOf(int(d.Peer))
	}
	return out
}

func (g *Group) viewOf(d *cohort.Delivery) *View {
	v := &View{Epoch: uint64(d.View.Name.Epoch), Name: d.View.Name.String(), Former: g.names(d.Former)}
	for i := range d.View.Seats {
		s := &d.View.Seats[i]
		v.Members = append(v.Members, g.node.nameOf(int(s.ID)))
		v.Incarnations = append(v.Incarnations, uint64(s.Incarnation))
	}
	return v
}

func (g *Group) names(members []view.Member) []string {
	var names []string
	for _, m := range members {
		names = append(names, g.node.nameOf(int(m.ID)))
	}
	return names
}

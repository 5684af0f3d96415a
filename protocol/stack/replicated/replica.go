// Package replicated puts a replicated service on a group: the machine of the replication
// style gets its multicasts, its views and its state from protocol/stack/cohort, and a
// driver or the simulator gets answers for clients. What runs in the daemon runs in the
// simulator.
//
// A durable replica has a [Store]. What is written to it is what is *sure*: delivered, and with votes, decided. What
// a member of some styles has executed beyond that is undone outside of views, so that its position at a founding
// is what its disk has. The argument that nothing answered is lost is in packages protocol/replica/active, passive and voted.
package replicated

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// how is the order of a replica's messages: not before it is safe, since a client is answered
// when its own is delivered.
func how(m *replica.Message) order.Order {
	if m.Total {
		return order.Total | order.FIFO | order.Uniform
	}
	return order.FIFO | order.Uniform
}

// Config is what a replica needs.
type Config struct {
	Self     view.Member
	Group    cohort.GroupConfig // Stateful is always on
	Executor *session.Executor
	Style    Style
	Voters   int            // Voted: how many vote; 0 for 3
	Comparer voted.Comparer // Voted: nil for replies that must be the same to the last bit
	Store    *Store         // what the executor is kept in, recovered and in use; nil: memory only
	Recorder trace.Recorder
}

// Replica is this process's copy of a replicated service. One goroutine at a time owns it,
// the one that owns the node.
type Replica struct {
	node    *cohort.Node
	self    view.Member
	group   *cohort.Group
	machine Machine
	style   Style
	out     replica.Output

	giving   []giving // states for who joins
	asks     []ask
	incoming []byte
	bad      bool  // the state that came cannot be read
	unread   int   // how many came in a row that could not be
	void     error // why there is no state though this one is asked to go on; nil: there is
	lasting  *durable
}

// giving is a state that joiners fetch.
type giving struct {
	cut  view.Name
	data []byte

	served bool // the group knows that it is there
}

// ask is a wish for a piece of a state.
type ask struct {
	cut          view.Name
	peer         view.ID
	offset, size uint64
}

// Join makes the replica and asks to be let into its group.
func Join(now time.Time, node *cohort.Node, cfg Config, out *cohort.Output) (*Replica, error) {
	terms := cfg.terms()
	terms.Apply(&cfg.Group)
	if cfg.Group.All {
		return nil, fmt.Errorf("replicated: service %q: its group has partition = all, and two parts that go on apart have two states; choose primary", cfg.Group.Name)
	}
	if cfg.Store != nil && cfg.Comparer != nil {
		return nil, fmt.Errorf("replicated: service %q: it is kept on disks, and has a Comparer: what differs by right cannot be told from damage when a log is executed again; leave one out", cfg.Group.Name)
	}
	least := replica.MessageMin
	if cfg.Store != nil {
		least += headMax
	}
	if most := cfg.Group.MessageMax; most != 0 && most < least {
		return nil, fmt.Errorf("replicated: service %q: its group takes messages of at most %d bytes, and members whose states differ tell each other up to %d; "+
			"set MessageMax to that or more, or leave it out", cfg.Group.Name, most, least)
	}
	machine, err := cfg.machine(cfg.room())
	if err != nil {
		return nil, err
	}
	g, err := node.Join(now, cfg.Group, out)
	if err != nil {
		return nil, err
	}
	r := &Replica{node: node, self: cfg.Self, group: g, machine: machine, style: cfg.Style}
	if cfg.Store != nil {
		r.lasting = newDurable(cfg.Store, cfg.Self, node.Seats())
		r.actLasting(now, out)
	}
	return r, nil
}

// room is the longest message of a machine, bytes; 0: any request fits.
func (c *Config) room() int {
	if c.Group.MessageMax == 0 || c.Store == nil {
		return c.Group.MessageMax
	}
	return c.Group.MessageMax - headMax
}

// Group is the replica's group.
func (r *Replica) Group() *cohort.Group { return r.group }

// Machine is the replica's machine, for status.
func (r *Replica) Machine() Machine { return r.machine }

// Present says whether this member has the state of its view.
func (r *Replica) Present() bool { return r.machine.View() != nil }

// Leave takes this member out of the group; the group delivers Departed when it is.
func (r *Replica) Leave(now time.Time, out *cohort.Output) (left bool) {
	r.group.Leave(now, out)
	return false
}

// Output is what clients are answered and what happened. It is valid until Reset.
func (r *Replica) Output() *replica.Output { return &r.out }

// Submit takes a client's request, an encoded [session.Request]. Act must follow.
func (r *Replica) Submit(now time.Time, from replica.Client, request []byte) {
	if r.busy(from, request) {
		return
	}
	r.machine.Submit(now, from, request, &r.out)
}

// Tick does what is due. Act must follow.
func (r *Replica) Tick(now time.Time) {
	if d := r.machine.Deadline(); !d.IsZero() && !now.Before(d) {
		r.machine.Tick(now, &r.out)
	}
}

// Deadline is when Tick has something to do; zero: never.
func (r *Replica) Deadline() time.Time { return r.machine.Deadline() }

// Heed takes a delivery of the replica's group. When all that were put out together are
// heeded, Act must follow.
func (r *Replica) Heed(now time.Time, d *cohort.Delivery) {
	if r.Failed() != nil || r.void != nil {
		return
	}
	switch d.Kind {
	case cohort.Viewed:
		if r.unread > 0 {
			if !r.bad {
				r.void = errNoState // it is to begin the service anew, and has half of a former state
			}
			return
		}
		if r.lasting != nil {
			r.lasting.store.settle(r.machine.Sure()) // of the view before
			r.lasting.viewed(d.View, d.Era)
		} else {
			// All that have the state in this view have the same, and take its messages after this.
			r.machine.Executor().Found(d.View.Name.Epoch)
		}
		anew := r.machine.View() == nil
		r.machine.Viewed(now, d.View, &r.out)
		if anew && r.machine.Damaged() {
			r.stop(errDamaged) // nobody is left who has another
		}
	case cohort.Message:
		if r.unread > 0 {
			return // of the view whose state cannot be read
		}
		payload := d.Payload
		if len(d.More) > 0 {
			payload = d.Append(nil)
		}
		if payload, is := r.open(d, payload); is {
			first := len(r.out.Replies)
			r.machine.Delivered(now, d.From, payload, &r.out)
			r.hold(first)
		}
	case cohort.Lost:
		r.machine.Lost(r.lost(d.Number, d.Last))
	case cohort.Expelled, cohort.Merging, cohort.Departed:
		r.away()
	case cohort.Wanted:
		r.give(d)
	case cohort.ChunkWanted:
		r.asks = append(r.asks, ask{d.View.Name, d.Peer, d.Number, d.Last})
	case cohort.Unwanted:
		r.forget(d.View.Name)
	case cohort.Pledge:
		r.lasting.pledges = append(r.lasting.pledges, d.Era)
	case cohort.StateBegan, cohort.StateFailed:
		r.incoming = nil
		r.away()
		if r.lasting != nil {
			r.lasting.stand = d.Kind == cohort.StateFailed
		}
	case cohort.StateChunk:
		r.incoming = append(r.incoming, d.Payload...)
	case cohort.StateDone:
		r.take(now)
	}
}

// Act does what followed from what was heeded, submitted or due: only now, since what the
// node has delivered is valid until it is called again. It reports whether the node was
// called.
func (r *Replica) Act(now time.Time, out *cohort.Output) (called bool) {
	if r.Failed() != nil || r.void != nil {
		return false
	}
	called = len(r.out.Multicast)+len(r.asks) > 0
	r.send(now, out)
	for r.proceeds() {
		called = true
		r.machine.Proceed(now, &r.out)
		r.send(now, out)
	}
	for i := range r.giving {
		if g := &r.giving[i]; !g.served {
			g.served, called = true, true
			r.group.Serve(now, g.cut, uint64(len(g.data)), true)
		}
	}
	for _, a := range r.asks {
		r.chunk(now, a, out)
	}
	r.asks = r.asks[:0]
	restart, void := r.bad, r.bad || r.machine.Damaged()
	for i := range r.out.Do {
		restart = restart || r.out.Do[i].Verb == replica.Restart
	}
	if r.bad = false; restart {
		if r.lasting != nil {
			r.lasting.spoil(nil)
		}
		r.group.Restart(now, void, out)
	}
	return r.actLasting(now, out) || called || restart
}

// proceeds says whether the machine has a message that would leave at once, in the view that it knows.
func (r *Replica) proceeds() bool {
	size := r.machine.Next()
	if size == 0 {
		return false
	}
	v, current := r.machine.View(), r.group.View()
	return v != nil && current != nil && v.Name == current.Name && r.group.Fits(size+r.head())
}

// send multicasts what the machine has put out.
func (r *Replica) send(now time.Time, out *cohort.Output) {
	for i := range r.out.Multicast {
		m := &r.out.Multicast[i]
		if _, ok := r.group.Multicast(now, how(m), r.seal(m.Data), out); !ok {
			r.machine.Unsent(now, len(r.out.Multicast)-i, &r.out)
		}
	}
	r.out.Sent()
}

// give takes the state as it is now, for joiners.
func (r *Replica) give(d *cohort.Delivery) {
	var b bytes.Buffer
	if err := r.machine.Snapshot(&b); err != nil {
		r.confess(d, err)
		return // the joiner asks another after a while
	}
	r.giving = append(r.giving, giving{cut: d.View.Name, data: b.Bytes()})
}

// confess says that this member's state is not what its commands have made of it, and begins anew if somebody else has
// one. With nobody else it stops: it would give clients what may be wrong, and nobody could tell.
func (r *Replica) confess(d *cohort.Delivery, err error) {
	if !errors.Is(err, session.ErrChanged) {
		return
	}
	others := -1 - len(d.Missing)
	for _, s := range d.View.Seats {
		if !s.Witness {
			others++
		}
	}
	if others <= 0 {
		r.stop(err)
		return
	}
	r.out.Do = append(r.out.Do, replica.Command{Verb: replica.Diverged, Members: []view.Member{r.self}, Index: r.machine.Executor().Index()},
		replica.Command{Verb: replica.Restart})
}

// errDamaged is why a member stops that has diverged, and is to begin the service anew.
var errDamaged = errors.New("it differs from what more than half of the members had, and none of those has it any more")

// stop stops since the state here is damaged, and no other is left to replace it.
func (r *Replica) stop(err error) {
	if r.machine.Stopped() != nil {
		return
	}
	why := &replica.Command{Verb: replica.Halted, Members: []view.Member{r.self}, Index: r.machine.Executor().Index(), Err: err}
	r.machine.Halt(why)
	r.out.Do = append(r.out.Do, *why)
}

// chunk gives a piece of a state that a joiner wants.
func (r *Replica) chunk(now time.Time, a ask, out *cohort.Output) {
	for i := range r.giving {
		if g := &r.giving[i]; g.cut == a.cut && a.offset <= uint64(len(g.data)) {
			piece := g.data[a.offset:min(uint64(len(g.data)), a.offset+a.size)]
			r.group.Chunk(now, a.cut, a.peer, a.offset, piece, a.offset+uint64(len(piece)) == uint64(len(g.data)), out)
		}
	}
}

func (r *Replica) forget(cut view.Name) {
	kept := r.giving[:0]
	for _, g := range r.giving {
		if g.cut != cut {
			kept = append(kept, g)
		}
	}
	clear(r.giving[len(kept):])
	r.giving = kept
}

// take reads the state that has come. Bytes that are not sound are another's fault: there is another state, and
// maybe another donor. An error of the service itself would come again.
func (r *Replica) take(now time.Time) {
	defer func() { r.incoming = nil }()
	err := r.machine.Restore(now, bytes.NewReader(r.incoming))
	if err == nil {
		r.unread = 0
		if r.lasting != nil {
			r.lasting.store.take(r.incoming)
		}
		return
	}
	r.unread++
	if d := r.lasting; d != nil && (!d.store.keeps || d.store.undo() != nil) {
		d.spoil(err)
	}
	if r.bad = errors.Is(err, session.ErrSnapshot) && r.unread < unreadMax; !r.bad {
		r.void = fmt.Errorf("the state that came from another member cannot be restored: %w; "+
			"run the same version of the program with the same settings at all members, or mend the service's Snapshot and Restore; the others go on with the state", err)
	}
}

// errNoState is why a replica whose last Restore failed does not begin the service anew.
var errNoState = errors.New("the last state that came could not be restored, and nobody is left who has one; restart the process to begin anew, without a state")

// Void is why this replica has no state and can have none; nil while it has one, or waits for it. Then it does
// nothing any more, and must go.
func (r *Replica) Void() error { return r.void }

// away tells that this member has no view, or not the state of it.
func (r *Replica) away() {
	if d := r.lasting; d != nil {
		d.store.settle(r.machine.Sure())
		d.out()
		d.stand = true
	}
	r.machine.Out()
	if r.lasting != nil {
		r.undo()
	}
}

package daemon

import (
	"errors"
	"log/slog"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/internal/edge/address"
	"github.com/holdfast-ha/holdfast/internal/edge/ctnetlink"
	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/firewall"
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
)

// kernel is the driver's service: the connection tracker and the virtual addresses.
type kernel struct {
	log      *slog.Logger
	loop     *driver.Loop
	stack    *stack.Stack
	node     *driver.Node
	firewall *firewall.Firewall

	table     *ctnetlink.Table
	events    *ctnetlink.Events
	dump      *ctnetlink.Dump
	addresses *address.Holder

	coalesce  time.Duration
	eventsAt  time.Time // when to read events; zero: when the descriptor is readable
	hearing   bool      // changes are heard, and not only ends
	dumpAt    time.Time // when a dump that was ordered may begin; zero: none was
	restUntil time.Time // until when no dump goes on
	dumping   bool
	holding   bool
	renewAt   time.Time
	raiseAt   time.Time // when to try again to add the addresses
	raising   view.Epoch
	holdsBack bool // related flows wait for the end of a commit

	flows   [opsMax]flow.Flow
	ops     []ctnetlink.Op
	related []object

	counts counts
}

// source is the stack as the firewall sees it: what it puts out goes to the node.
type source struct {
	*stack.Stack
	node *driver.Node
}

// Gone tells that an object has left the table.
func (s source) Gone(now time.Time, key []byte) { s.Stack.Gone(now, key, s.node.Out()) }

// Found tells of one object of the table being read.
func (s source) Found(now time.Time, key, state []byte) { s.Stack.Found(now, key, state, s.node.Out()) }

// object is a copy of an order that has to wait.
type object struct {
	verb       ctnetlink.Verb
	key, state []byte
}

// counts are for the admin API.
type counts struct {
	events, overruns, injections uint64
	failures                     map[string]uint64
}

// Do gathers orders about flows, and begins a dump.
func (k *kernel) Do(now time.Time, c stack.Command) {
	switch c.Verb {
	case stack.Put:
		k.gather(ctnetlink.Put, c.Key, c.State)
	case stack.Change:
		k.gather(ctnetlink.Change, c.Key, c.State)
	case stack.Create:
		k.gather(ctnetlink.Create, c.Key, c.State)
	case stack.Remove:
		k.gather(ctnetlink.Delete, c.Key, nil)
	case stack.Commit:
		k.rest(now, dumpRest)
		k.Finish(now)
		k.admit()
	case stack.Dump:
		k.dumpAt = now
		k.node.Work(now)
	}
}

// beginDump begins a reading of the table.
func (k *kernel) beginDump(now time.Time) {
	k.dumpAt = time.Time{}
	k.Finish(now)
	if err := k.dump.Start(0); err != nil {
		k.log.Error("the kernel's table cannot be read", "error", err)
		k.stack.Dumped(false)
		return
	}
	k.dumping = true
}

// rest keeps readings of the table away from the moment in which addresses move.
func (k *kernel) rest(now time.Time, length time.Duration) { k.restUntil = now.Add(length) }

// gather adds an order to the batch. A related flow waits for the others of its batch,
// among which its master may be.
func (k *kernel) gather(v ctnetlink.Verb, key, state []byte) {
	w := &k.flows[len(k.ops)]
	ok := false
	if v == ctnetlink.Delete {
		ok = flow.ParseKey(key, w)
	} else {
		ok = flow.Parse(key, state, w)
	}
	if !ok {
		k.fail("malformed")
		return
	}
	if w.Master.Proto != 0 && v != ctnetlink.Delete && len(k.related) < relatedMax {
		k.related = append(k.related, object{v, append([]byte(nil), key...), append([]byte(nil), state...)})
		return
	}
	k.push(v)
}

// push adds the flow that was just parsed to the batch.
func (k *kernel) push(v ctnetlink.Verb) {
	k.ops = append(k.ops, ctnetlink.Op{Verb: v, Flow: &k.flows[len(k.ops)]})
	if len(k.ops) == opsMax {
		k.apply()
	}
}

// Finish carries out the batch.
func (k *kernel) Finish(time.Time) {
	k.apply()
	if !k.holdsBack {
		k.admit()
	}
}

// admit puts in the related flows that waited.
func (k *kernel) admit() {
	for _, o := range k.related {
		if flow.Parse(o.key, o.state, &k.flows[len(k.ops)]) {
			k.push(o.verb)
		}
	}
	k.related = k.related[:0]
	k.apply()
}

func (k *kernel) apply() {
	if len(k.ops) == 0 {
		return
	}
	k.counts.injections += uint64(len(k.ops))
	err := k.table.Apply(k.ops, func(_ int, err error) {
		if !errors.Is(err, ctnetlink.ErrExists) {
			k.fail(reason(err))
		}
	})
	if err != nil {
		k.fail(reason(err))
		k.log.Error("flows could not be put into the kernel", "flows", len(k.ops), "error", err)
		k.stack.Lost() // which of them are there, a comparison will show
	}
	k.ops = k.ops[:0]
}

func (k *kernel) fail(why string) { k.counts.failures[why]++ }

// reason is an error's name for a counter.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// hear listens to changes while this node is a source, and only then: of those that a
// standby makes itself the kernel would write an event each, for nobody. What changed
// before is found by the comparison with which a source begins.
func (k *kernel) hear() {
	owning := k.stack.Owning()
	if owning == k.hearing {
		return
	}
	if err := k.events.Hear(owning); err != nil {
		k.log.Error("changes of flows cannot be chosen", "error", err)
		return // the next step tries again
	}
	k.hearing = owning
}

// Address adds, removes or announces the virtual addresses.
func (k *kernel) Address(now time.Time, c stack.Command) error {
	k.hear() // before the first packet
	switch c.Verb {
	case stack.Raise:
		k.rest(now, dumpRest)
		k.raising = c.Epoch
		return k.raise(now)
	case stack.Lower:
		k.rest(now, 2*dumpRest) // the other node goes first
		k.holding, k.renewAt, k.raiseAt = false, time.Time{}, time.Time{}
		if err := k.addresses.Lower(); err != nil {
			k.log.Error("virtual addresses could not be removed; they expire by themselves", "error", err)
			return err
		}
	case stack.Announce:
		if err := k.addresses.Announce(); err != nil {
			k.log.Warn("virtual addresses could not be announced", "error", err)
		}
	}
	return nil
}

func (k *kernel) raise(now time.Time) error {
	if err := k.addresses.Raise(); err != nil {
		k.log.Error("virtual addresses could not be added; trying again", "after", raiseRetry, "error", err)
		k.raiseAt = now.Add(raiseRetry)
		k.node.Work(k.raiseAt)
		return err
	}
	k.holding, k.raiseAt, k.renewAt = true, time.Time{}, now.Add(renewEvery)
	k.node.Work(k.renewAt)
	if err := k.addresses.Announce(); err != nil {
		k.log.Warn("virtual addresses could not be announced", "error", err)
	}
	return nil
}

// Work reads events and dumps, renews addresses, tries again what failed.
func (k *kernel) Work(now time.Time, out *stack.Output) time.Time {
	k.hear()
	if !k.eventsAt.IsZero() && !now.Before(k.eventsAt) {
		k.read(now)
	}
	if !now.Before(k.restUntil) {
		if !k.dumpAt.IsZero() {
			k.beginDump(now)
		} else if k.dumping {
			k.dumpOn(now)
		}
	}
	if !k.raiseAt.IsZero() && !now.Before(k.raiseAt) && k.raise(now) == nil {
		k.stack.Raised(now, k.raising, out)
	}
	if k.holding && !now.Before(k.renewAt) {
		k.renewAt = now.Add(renewEvery)
		if err := k.addresses.Renew(); err != nil {
			k.log.Error("the life of the virtual addresses could not be prolonged", "error", err)
		}
	}
	return k.next(now)
}

// next is when Work wants to be called again.
func (k *kernel) next(now time.Time) time.Time {
	var dumpAt time.Time
	if k.dumping || !k.dumpAt.IsZero() {
		if dumpAt = now; now.Before(k.restUntil) {
			dumpAt = k.restUntil
		}
	}
	var next time.Time
	for _, at := range [...]time.Time{dumpAt, k.eventsAt, k.raiseAt, k.renewAt} {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// readable is called when the kernel has events. They are not read yet: for as long as
// changes are gathered it is cheaper to leave them where they are, and an entry that
// comes and goes meanwhile is never told to anybody.
func (k *kernel) readable(now time.Time) {
	if err := k.loop.Listen(k.events.FD(), false); err != nil {
		k.log.Error("events cannot be waited for", "error", err)
	}
	k.eventsAt = now.Add(k.coalesce)
	k.node.Work(k.eventsAt)
}

// read takes the events that are there. While they keep coming they are read at
// intervals; when none came the descriptor is waited for again.
func (k *kernel) read(now time.Time) {
	total := 0
	for range readsMax {
		n, err := k.events.Read(func(kind ctnetlink.Kind, w *flow.Flow) {
			if kind == ctnetlink.Destroy {
				k.firewall.Gone(now, w)
			} else {
				k.firewall.Changed(now, w)
			}
		})
		total += n
		if errors.Is(err, ctnetlink.ErrOverrun) {
			k.counts.overruns++
			k.stack.Lost()
			k.log.Warn("the kernel lost events; its table is read again", "receive_buffer", k.events.ReceiveBuffer())
		} else if err != nil {
			k.log.Error("events cannot be read", "error", err)
		}
		if n == 0 || err != nil {
			break
		}
	}
	k.counts.events += uint64(total)
	if total > 0 {
		k.eventsAt = now.Add(k.coalesce)
		return
	}
	k.eventsAt = time.Time{}
	if err := k.loop.Listen(k.events.FD(), true); err != nil {
		k.log.Error("events cannot be waited for", "error", err)
	}
}

// dumpOn takes the next datagram of a dump.
func (k *kernel) dumpOn(now time.Time) {
	more, err := k.dump.Next(func(w *flow.Flow) { k.firewall.Found(now, w) })
	if err != nil && !errors.Is(err, ctnetlink.ErrInterrupted) {
		k.log.Error("the kernel's table cannot be read", "error", err)
	}
	if more && err == nil {
		return
	}
	k.dumping = false
	k.stack.Dumped(err == nil)
}

// forget removes from the kernel what this node put there for others: a standby that
// leaves must not leave flows behind that nobody updates.
func (k *kernel) forget(ids []view.ID) {
	for _, id := range ids {
		for cursor := uint32(0); ; {
			cursor = k.stack.Proxy().Held(id, cursor, opsMax, func(key, _ []byte) {
				k.gather(ctnetlink.Delete, key, nil)
			})
			k.apply()
			if cursor == 0 {
				break
			}
		}
	}
}

package driver

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// ErrClosed is the error of everything that is asked of a Cohort after its Close, and of
// what waited then.
var ErrClosed = errors.New("the node is closed")

// CohortConfig is what a cohort needs.
type CohortConfig struct {
	Cluster   string // its name
	Node      cohort.NodeConfig
	Transport Transport    // belongs to the cohort from then on, but for closing it
	Log       *slog.Logger // what happens to members and views; nil for nothing

	// Refusals tells what the transport refused so far; nil for nothing. It is called by
	// the owner of the turn, for status and for errors.
	Refusals func() []Refusal

	// Addresses are where the members are, by link, for status; nil if that is not to be told.
	Addresses map[view.ID][]string
}

// Cohort runs one cohort.Node: all groups of a process.
//
// The node is a machine and needs one owner at a time. There is no goroutine that always
// is the owner, since every message would have to wait for it to wake up, on another
// processor most often. Whoever has something for the node takes the *turn*: a goroutine
// that multicasts, the one that finds a socket readable, the one that finds that it is
// time. Who finds the turn taken leaves a note of what is to be done (see due), and the
// owner does it before it gives the turn up. So nobody ever waits for the turn.
//
// Goroutines wait in the Go scheduler's poller, not in an epoll of their own as a Loop's
// does: then the goroutine that a delivery wakes runs next on the same thread.
type Cohort struct {
	cfg       CohortConfig
	transport Transport
	journal   *journal

	due  atomic.Uint64 // notes: what is to be done
	turn sync.Mutex    // who has it owns all up to the blank line
	node *cohort.Node
	introductions
	outs     [2]cohort.Output
	out      *cohort.Output // the one that inputs write to
	time     time.Time      // of this step
	ours     []*Group       // joined and not departed
	replicas []*Replica
	asks     []ask // chunks of state wanted, in this step
	chunk    []byte
	links    int
	take     func(from view.Member, link uint8, frame []byte)

	mu      sync.Mutex
	joins   []*Group // to be joined
	serves  []*Replica
	queries []func() // to be run by the owner
	failed  error    // why the cohort ended by itself

	alarm  alarm
	relay  chan struct{} // wakes the goroutine that takes over from one that has served long enough
	closed chan struct{}
	files  []*os.File
	ended  sync.WaitGroup
	once   sync.Once
}

// The notes. Links have the bits from dueLinks on.
const (
	dueTime  uint64 = 1 << iota // the alarm rang
	dueWork                     // some group has something queued, or a command
	dueDisk                     // a disk has written something
	dueLinks uint64 = 1 << 8
)

// NewCohort makes a cohort and begins to serve. Close ends it.
func NewCohort(cfg CohortConfig, rng *rand.Rand) (*Cohort, error) {
	c := &Cohort{cfg: cfg, transport: cfg.Transport, relay: make(chan struct{}, 1), closed: make(chan struct{})}
	c.journal = newJournal(cfg.Log, cfg.Node.Candidates)
	cfg.Node.Recorder = trace.RecorderFunc(c.journal.record)
	var err error
	if c.node, err = cohort.New(cfg.Node, rng); err != nil {
		return nil, err
	}
	c.out = &c.outs[0]
	if err = c.introductions.open(&cfg); err != nil {
		return nil, err
	}
	c.take = func(from view.Member, link uint8, frame []byte) {
		if c.introductions.receive(c.time, from, frame) {
			return
		}
		c.node.Receive(c.time, from, link, frame, c.out)
	}
	c.time = now()
	c.node.Start(c.time, c.out)
	c.carryOut()
	if err := c.open(); err != nil {
		c.Close()
		return nil, err
	}
	c.notify(dueTime)
	return c, nil
}

// open begins to wait for the sockets and the time.
func (c *Cohort) open() error {
	fd, err := c.alarm.open()
	if err != nil {
		return err
	}
	if err := c.watch(fd, func() {
		c.alarm.rang()
		c.notify(dueTime)
	}); err != nil {
		return err
	}
	fds := c.transport.FDs()
	c.links = len(fds)
	for i, fd := range fds {
		fd, err := duplicate(fd)
		if err != nil {
			return err
		}
		bit := dueLinks << i
		if err := c.watch(fd, func() { c.notify(bit) }); err != nil {
			return err
		}
	}
	c.ended.Go(func() {
		for {
			select {
			case <-c.relay:
				c.serve(turnsMax)
			case <-c.closed:
				return
			}
		}
	})
	return nil
}

// notify notes what is to be done, and does it unless somebody else is at it.
func (c *Cohort) notify(what uint64) {
	c.due.Or(what)
	c.serve(turnsMax)
}

// nudge is notify for a goroutine that has other things to do: it serves a little, and
// then leaves the rest to the relay.
func (c *Cohort) nudge(what uint64) {
	c.due.Or(what)
	c.serve(nudgeTurns)
}

// serve takes the turn, if it is free, for as long as there is something to do, at most
// for a number of steps.
func (c *Cohort) serve(steps int) {
	for c.due.Load() != 0 {
		if steps <= 0 {
			select {
			case c.relay <- struct{}{}:
			default:
			}
			return
		}
		if !c.turn.TryLock() {
			return // its owner looks at due again after giving it up
		}
		for ; steps > 0 && c.due.Load() != 0; steps-- {
			c.step()
		}
		c.turn.Unlock()
	}
}

// step does all that is due. The caller has the turn.
func (c *Cohort) step() {
	due := c.due.Swap(0)
	if c.isClosed() {
		return
	}
	c.time = now()
	if links := due / dueLinks; links != 0 {
		c.receive(links)
	}
	if d := c.node.Deadline(); !d.IsZero() && !c.time.Before(d) {
		c.node.Tick(c.time, c.out)
	}
	if due&dueWork != 0 {
		c.command()
	}
	for _, g := range c.ours {
		g.submits.drain(g)
		g.depart()
	}
	for _, r := range c.replicas {
		if due&dueDisk != 0 {
			r.wrote()
		}
		r.drain()
	}
	c.carryOut()
	c.introduce(c.time, c.transport)
	d := c.identity.Deadline()
	if next := c.node.Deadline(); !next.IsZero() && next.Before(d) {
		d = next
	}
	for _, s := range c.replicas {
		if next := s.deadline(); !next.IsZero() && next.Before(d) {
			d = next
		}
	}
	c.alarm.set(c.time, d)
}

// receive takes what has come over the links with a bit. Readability is told once, so a
// link is read until it has nothing more, in turns with the others.
func (c *Cohort) receive(links uint64) {
	for i := range c.links {
		if links>>i&1 == 0 {
			continue
		}
		n, err := c.transport.Receive(i+1, c.take)
		if err != nil {
			c.fail(err)
			return
		}
		if n > 0 {
			c.due.Or(dueLinks << i)
		}
	}
}

// carryOut does what the node asks: envelopes first, since others wait for them, then
// deliveries. What those lead to makes another round.
func (c *Cohort) carryOut() {
	for range roundsMax {
		c.node.Flush(c.time, c.out)
		out := c.out
		if len(out.Send)+len(out.Deliver) == 0 {
			break
		}
		c.out = &c.outs[0]
		if out == c.out {
			c.out = &c.outs[1]
		}
		for i := range out.Send {
			c.send(&out.Send[i])
		}
		c.transport.Flush()
		delivered := len(out.Deliver)
		for i := range out.Deliver {
			c.deliver(&out.Deliver[i])
		}
		out.Reset()
		acted := false
		for _, s := range c.replicas {
			acted = s.act() || acted
		}
		if !c.answer() && !acted && delivered < deliverMany {
			break
		}
	}
	for _, g := range c.ours {
		g.events.announce()
		if full := g.events.isFull() && !g.leaving; full != g.throttled && g.place != nil {
			g.throttled = full
			g.place.Throttle(full)
		}
	}
}

// send posts an envelope. A frame that cannot be queued is a lost one.
func (c *Cohort) send(e *wire.Envelope) { _ = c.transport.Send(*e) }

func (c *Cohort) deliver(d *cohort.Delivery) {
	for _, g := range c.ours {
		if g.place == d.Group {
			g.deliver(d)
			return
		}
	}
	for _, s := range c.replicas {
		if d.Group != nil && s.replica.Group() == d.Group {
			s.heed(d)
			return
		}
	}
}

// command does what callers have asked for.
func (c *Cohort) command() {
	c.mu.Lock()
	joins, serves, queries := c.joins, c.serves, c.queries
	c.joins, c.serves, c.queries = nil, nil, nil
	c.mu.Unlock()
	for _, s := range serves {
		s.join()
	}
	for _, g := range joins {
		c.ours = append(c.ours, g)
		place, err := c.node.Join(c.time, g.cfg.Group, c.out)
		if err != nil {
			c.drop(g)
			g.end(err)
			continue
		}
		g.place = place
	}
	for _, fn := range queries {
		fn()
	}
}

// Do runs fn as the owner of the turn, so that it may call the transport, and waits for
// it; false if the cohort is closed and fn has not run and will not.
func (c *Cohort) Do(fn func()) bool {
	done := make(chan struct{})
	c.mu.Lock()
	c.queries = append(c.queries, func() { fn(); close(done) })
	c.mu.Unlock()
	c.notify(dueWork)
	select {
	case <-done:
		return true
	case <-c.closed:
	}
	// A step that had begun may be at it; no other will.
	c.turn.Lock()
	defer c.turn.Unlock()
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// drop forgets a group that has ended.
func (c *Cohort) drop(g *Group) {
	for i := range c.ours {
		if c.ours[i] == g {
			// The slice may be walked right now.
			c.ours = append(append([]*Group(nil), c.ours[:i]...), c.ours[i+1:]...)
			return
		}
	}
}

// withdraw forgets a replica that has left its service.
func (c *Cohort) withdraw(r *Replica) {
	for i := range c.replicas {
		if c.replicas[i] == r {
			// The slice may be walked right now.
			c.replicas = append(append([]*Replica(nil), c.replicas[:i]...), c.replicas[i+1:]...)
			return
		}
	}
}

// fail ends the cohort because of an error of its own.
func (c *Cohort) fail(err error) {
	c.mu.Lock()
	if c.failed == nil {
		c.failed = err
	}
	c.mu.Unlock()
	for _, g := range c.ours {
		g.end(err)
	}
	for _, s := range c.replicas {
		s.end(err)
	}
	c.ours, c.replicas = nil, nil
}

// Close ends the cohort without a word to the others, as a crash would: leave groups
// first. What waits ends with ErrClosed. Close returns when nothing runs any more; then
// the transport may be closed.
func (c *Cohort) Close() {
	c.once.Do(func() {
		close(c.closed)
		c.alarm.stop()
		for _, f := range c.files {
			_ = f.Close() // it ends the wait for it
		}
		c.ended.Wait()
		c.turn.Lock()
		defer c.turn.Unlock()
		c.fail(ErrClosed)
		c.mu.Lock()
		joins, serves := c.joins, c.serves
		c.joins, c.serves = nil, nil
		c.mu.Unlock()
		for _, s := range serves {
			s.end(ErrClosed)
		}
		for _, g := range joins {
			g.end(ErrClosed)
		}
	})
}

func (c *Cohort) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

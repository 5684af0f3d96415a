package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// GroupConfig is how this process takes part in a group.
type GroupConfig struct {
	Group   cohort.GroupConfig
	Witness bool // this process votes and has neither messages nor state

	// EventsMax is how many bytes of events wait for the application before the group is
	// slowed down; 0 for 4 MiB. Up to twice as much is kept.
	EventsMax int

	// Snapshot and Restore write and read the application's state; both or neither. Both
	// are called by Next and Await, on the goroutine of their caller.
	Snapshot func(io.Writer) error
	Restore  func(io.Reader) error
}

func (c *GroupConfig) messageMax() int {
	if c.Group.MessageMax == 0 {
		return 1 << 20
	}
	return c.Group.MessageMax
}

// Group is the application's hold on a group that this process is in. Its methods may be
// called from any goroutine, but only one may ask for events.
type Group struct {
	c       *Cohort
	cfg     GroupConfig
	submits *submits
	events  *events
	gone    chan struct{} // closed when it has ended

	place     *cohort.Group // nil before it is joined; this and what follows are the owner's
	throttled bool
	leaving   bool
	left      bool // the node was told
	cutOff    bool // events end here, but for the last one
	shots     []shot
	history   history

	mu     sync.Mutex
	notes  notes
	ending sync.Once
}

// notes is what is known of a group's troubles, for errors and for status.
type notes struct {
	viewed  bool   // there was a view
	refused string // why this member is not let in
}

// ask is a wish for a piece of the state.
type ask struct {
	group  *Group
	cut    view.Name
	peer   view.ID
	offset uint64
	size   int
}

// Join asks to be let into a group. It returns at once; Await waits.
func (c *Cohort) Join(cfg GroupConfig) (*Group, error) {
	if (cfg.Snapshot == nil) != (cfg.Restore == nil) {
		return nil, errors.New("one of Snapshot and Restore is missing: a member that is given the state must be able to give it")
	}
	cfg.Group.Stateful = cfg.Snapshot != nil || cfg.Witness && cfg.Group.Stateful
	if cfg.EventsMax == 0 {
		cfg.EventsMax = eventsMaxDefault
	}
	g := &Group{c: c, cfg: cfg, submits: newSubmits(), events: newEvents(cfg.EventsMax), gone: make(chan struct{})}
	c.mu.Lock()
	err := c.failed
	if err == nil && c.isClosed() {
		err = ErrClosed
	}
	if err == nil {
		c.joins = append(c.joins, g)
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c.notify(dueWork)
	return g, nil
}

// Await waits for the first view, with the state restored before it. The view is the
// first event of Next.
func (g *Group) Await(ctx context.Context) error {
	for {
		e, err := g.next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("%w while waiting for the first view%s", err, g.why())
			}
			return err
		}
		if e.Kind == cohort.Viewed {
			g.events.unread()
			return nil
		}
	}
}

// Next waits for the next event. It is valid until Next is called again. After the last
// one the error says why there is no more: ErrDeparted, ErrClosed, or what ended the
// node. A state to be given or taken is given or taken before Next returns.
func (g *Group) Next(ctx context.Context) (*Event, error) { return g.next(ctx) }

func (g *Group) next(ctx context.Context) (*Event, error) {
	for {
		e, err := g.events.next(ctx, g.relieved)
		if err != nil {
			return nil, err
		}
		switch e.Kind {
		case cohort.Message:
			if e.From == g.c.cfg.Node.Self {
				g.submits.seen.Add(1)
			}
			return e, nil
		case cohort.Wanted:
			if err := g.snapshot(e.Notice); err != nil {
				return nil, err
			}
		case cohort.StateBegan:
			if err := g.restore(ctx); err != nil {
				return nil, err
			}
		case cohort.StateChunk, cohort.StateDone, cohort.StateFailed: // of one that Restore did not read to its end
		default:
			return e, nil
		}
	}
}

// relieved lets the group go on after its queue was full.
func (g *Group) relieved() { g.c.nudge(dueWork) }

// Leave leaves the group after everything that was multicast before has been handed on,
// and waits for it. Events up to the departure can still be read, as far as they fit
// the queue.
func (g *Group) Leave(ctx context.Context) error {
	if !g.c.Do(func() { g.leaving = true }) {
		return ErrClosed
	}
	g.c.notify(dueWork)
	select {
	case <-g.gone:
		if err := g.Err(); !errors.Is(err, ErrDeparted) {
			return err
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w while leaving%s", ctx.Err(), g.why())
	}
}

// Abandon leaves without waiting.
func (g *Group) Abandon() { g.c.Do(func() { g.leaving, g.left = true, true; g.part() }) }

// depart tells the node once that this member leaves. The owner calls it.
func (g *Group) depart() {
	if g.leaving && !g.left && g.place != nil && g.submits.queued.Load() == 0 {
		g.left = true
		g.part()
	}
}

func (g *Group) part() {
	if g.place != nil {
		g.place.Leave(g.c.time, g.c.out)
	}
}

// Err says why the group has ended; nil while it has not.
func (g *Group) Err() error {
	g.submits.mu.Lock()
	defer g.submits.mu.Unlock()
	return g.submits.ended
}

// end ends the group. The owner of the turn, or who closes the cohort, calls it.
func (g *Group) end(err error) {
	g.ending.Do(func() {
		g.submits.end(err)
		g.events.end(err)
		g.closeShots()
		close(g.gone)
	})
}

// deliver takes one delivery of the node.
func (g *Group) deliver(d *cohort.Delivery) {
	switch d.Kind {
	case cohort.Message:
		if d.From == g.c.cfg.Node.Self {
			g.submits.delivered(d.Number, d.Number, nil)
		}
		if g.room() {
			g.events.add(Event{Kind: d.Kind, Order: d.Order, From: d.From, Number: d.Number}, d)
		}
		return
	case cohort.ChunkWanted:
		g.c.asks = append(g.c.asks, ask{g, d.View.Name, d.Peer, d.Number, int(min(d.Last, chunkMax))})
		return
	case cohort.StateChunk:
		g.events.add(Event{Kind: d.Kind}, d)
		return
	case cohort.Unwanted:
		g.unwanted(d.View.Name)
		return
	case cohort.Viewed, cohort.Blocked, cohort.Unblocked, cohort.Slow:
		if g.cutOff {
			return
		}
	case cohort.Lost:
		g.submits.seen.Add(d.Last - d.Number + 1)
		g.submits.delivered(d.Number, d.Last, ErrLost)
	}
	g.note(d)
	g.remember(d)
	notice := *d
	notice.Payload, notice.More = nil, nil
	notice.Former, notice.Missing = slices.Clone(d.Former), slices.Clone(d.Missing)
	g.events.add(Event{Kind: d.Kind, Number: d.Number, Notice: &notice}, &notice)
	if d.Kind == cohort.Departed {
		g.c.drop(g)
		g.end(ErrDeparted)
	}
}

// room says whether there is room for a message. While the group is left nobody may
// read any more; then the queue is full some time, and what comes after the first message
// that is left out is left out too: events have no gaps.
func (g *Group) room() bool {
	g.cutOff = g.cutOff || g.leaving && g.events.isFull()
	return !g.cutOff
}

// note remembers what errors and status tell.
func (g *Group) note(d *cohort.Delivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch d.Kind {
	case cohort.Viewed:
		g.notes = notes{viewed: true}
	case cohort.Refused:
		theirs, ours := difference(d.Refusal, g.place.Terms())
		g.notes.refused = fmt.Sprintf("at %s the group is %q, and here %q; make them equal", g.c.nameOf(d.Peer), theirs, ours)
	}
}

// difference leaves of two members' terms what they do not share, or all of both.
func difference(theirs, ours string) (string, string) {
	a, b := strings.Fields(theirs), strings.Fields(ours)
	only := func(of, other []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(of), func(term string) bool { return slices.Contains(other, term) }), " ")
	}
	if x, y := only(a, b), only(b, a); x != "" && y != "" {
		return x, y
	}
	return theirs, ours
}

// wasViewed says whether this member was in a view.
func (g *Group) wasViewed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.notes.viewed
}

package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// ErrState is what reading a state ends with when it comes no further; another
// transfer begins, from the start.
var ErrState = errors.New("the transfer of the state broke off and begins anew")

// shot is the state at one cut.
type shot struct {
	cut view.Name
	*spool
}

// shotAt is the state at a cut, or nil.
func (g *Group) shotAt(cut view.Name) *spool {
	for i := range g.shots {
		if g.shots[i].cut == cut {
			return g.shots[i].spool
		}
	}
	return nil
}

// unwanted forgets a state that nobody needs any more.
func (g *Group) unwanted(cut view.Name) {
	g.shots = slices.DeleteFunc(g.shots, func(s shot) bool {
		if s.cut == cut {
			s.close()
		}
		return s.cut == cut
	})
}

func (g *Group) closeShots() {
	for i := range g.shots {
		g.shots[i].close()
	}
	g.shots = nil
}

// snapshot gives the state as it is at this point of the events.
func (g *Group) snapshot(wanted *cohort.Delivery) error {
	if g.cfg.Snapshot == nil {
		return nil
	}
	s := &spool{}
	if err := g.cfg.Snapshot(s); err != nil {
		s.close()
		return fmt.Errorf("snapshot: %w; joiners wait for another member's", err)
	}
	served := false
	g.c.Do(func() {
		served = g.Err() == nil && g.place.Serve(g.c.time, wanted.View.Name, s.size, true)
		if served {
			g.shots = append(g.shots, shot{wanted.View.Name, s})
		}
	})
	if !served {
		s.close()
	}
	return nil
}

// answer gives the pieces of state that were asked for in this step, if any were.
func (c *Cohort) answer() bool {
	if len(c.asks) == 0 {
		return false
	}
	for _, a := range c.asks {
		s := a.group.shotAt(a.cut)
		if s == nil || a.group.place == nil {
			continue // it is asked for again
		}
		if cap(c.chunk) < a.size {
			c.chunk = make([]byte, chunkMax)
		}
		n, last, err := s.read(c.chunk[:a.size], a.offset)
		if err != nil {
			c.journal.trouble("the snapshot cannot be read back", err)
			continue
		}
		a.group.place.Chunk(c.time, a.cut, a.peer, a.offset, c.chunk[:n], last, c.out)
	}
	c.asks = c.asks[:0]
	return true
}

// restore reads the state that comes.
func (g *Group) restore(ctx context.Context) error {
	if g.cfg.Restore == nil {
		return nil
	}
	// A deadline for an event is none for the state.
	if g.wasViewed() {
		ctx = context.WithoutCancel(ctx)
	}
	r := &stateReader{g: g, ctx: ctx}
	err := g.cfg.Restore(r)
	if r.err == nil {
		_, _ = io.Copy(io.Discard, r) // what it had no use for
	}
	switch {
	case errors.Is(r.err, ErrState):
		return nil // StateBegan follows
	case r.err != io.EOF:
		return r.err
	case err != nil:
		return fmt.Errorf("restore: %w; this member has no state now: leave the group and join it anew", err)
	}
	return nil
}

// stateReader reads a state out of the events.
type stateReader struct {
	g   *Group
	ctx context.Context
	b   []byte
	err error
}

// Read gives what has come.
func (r *stateReader) Read(p []byte) (int, error) {
	for len(r.b) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		e, err := r.g.events.next(r.ctx, r.g.relieved)
		switch {
		case err != nil:
			r.err = err
		case e.Kind == cohort.StateChunk:
			r.b = e.Payload
		case e.Kind == cohort.StateDone:
			r.err = io.EOF
		case e.Kind == cohort.StateFailed:
			r.err = ErrState
		case e.Kind == cohort.StateBegan, e.Kind == cohort.Viewed, e.Kind == cohort.Departed, e.Kind == cohort.Expelled:
			// They come after the end only; without one the transfer has failed.
			r.g.events.unread()
			r.err = ErrState
		}
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
)

// Run plays the demonstration and writes what it shows to c.Output. It needs the right
// to make network namespaces, see package userns. The error is a [*LostError] if
// established flows were lost, ctx's if that ended it, and says in one line what to do if
// something could not be done. Everything is cleaned up when it returns.
func Run(ctx context.Context, c Config) (f Figures, err error) {
	if err := c.complete(); err != nil {
		return f, &OpError{"check its configuration", err}
	}
	ctx, cancel := context.WithTimeout(ctx, totalMax)
	defer cancel()
	ctx, quit := context.WithCancelCause(ctx)
	defer quit(nil)
	c.Output = &output{to: c.Output, quit: quit}
	show := newShow(&c)
	d := &director{config: c, stage: &stage{start: time.Now(), off: map[string]bool{}}}
	show.begin(d.stage)
	err = d.play(ctx)
	d.figures.TookMS = control.MillisecondsOf(time.Since(d.stage.start))
	show.end()
	err = errors.Join(err, d.close())
	f = d.conclude()
	if err == nil || f.PowerCut.FlowsBefore > 0 && ctx.Err() == nil {
		err = errors.Join(err, show.result(&f, d.stage))
	}
	if err == nil && !f.OK {
		err = &LostError{f.PowerCut.FlowsLost, f.Switch.FlowsLost}
	}
	var unseen *OpError
	if errors.As(context.Cause(ctx), &unseen) {
		err = unseen
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = &OpError{"play", fmt.Errorf("it was not over within %v: this machine is too busy, or something hangs: %w", totalMax, ctx.Err())}
	}
	return f, err
}

// output ends the demonstration when nobody can see it any more.
type output struct {
	to   io.Writer
	quit context.CancelCauseFunc
}

// Write writes, or ends the demonstration.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if err != nil {
		err = &OpError{"write what happens", err}
		o.quit(err)
	}
	return n, err
}

// conclude completes the figures.
func (d *director) conclude() Figures {
	f := &d.figures
	f.Flows, f.Inject, f.RTOMin = d.config.Flows, string(d.config.Inject), control.MillisecondsOf(d.config.RetransmitMin)
	d.stage.mu.Lock()
	f.Errors = append([]string{}, d.stage.errors...)
	d.stage.mu.Unlock()
	f.conclude()
	return *f
}

// show is the output while the demonstration runs, and at its end.
type show struct {
	out  io.Writer
	look Look
	ink  ink
	live *live // nil: lines
	stop chan struct{}
	wait sync.WaitGroup
}

func newShow(c *Config) *show {
	return &show{out: c.Output, look: c.Look, ink: ink{colours: c.Look.Colours, ascii: c.Look.ASCII}, stop: make(chan struct{})}
}

// begin begins to show what happens on the stage.
func (s *show) begin(st *stage) {
	switch {
	case s.look.JSON || s.look.Quiet:
	case s.look.Live:
		s.live = &live{out: s.out, ink: s.ink}
		s.wait.Go(func() { s.live.run(st, s.stop) })
	default:
		st.told = func(e event) { fmt.Fprintln(s.out, s.ink.finish(eventLine(&s.ink, &e))) }
	}
}

// end ends that.
func (s *show) end() {
	close(s.stop)
	s.wait.Wait()
}

// result writes the figures.
func (s *show) result(f *Figures, st *stage) error {
	if s.look.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(f)
	}
	_, err := io.WriteString(s.out, s.ink.finish(resultText(&s.ink, f)))
	return err
}

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/control"
)

func (p *Program) status() *cobra.Command {
	var where target
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status [-s SOCKET | -c FILE]",
		Short: "is the service protected? why not? what to do?",
		Long: `Asks the node that runs on this machine. The first line is the verdict and how many more
nodes may fail; then the causes, the worst first, and a command that helps; then every
node with its role, its links and how much of its copy is proven.

  PROTECTED    a further node may fail: its successor's copy was proven equal within the
               last second
  DEGRADED     another node would take over, but something promised is missing
  UNPROTECTED  the next failure stops the service, or it has stopped

Changes nothing. The exit code is 0, 1 or 2 for the three verdicts, and 2 if no node
answers. With --watch it goes on until q or Ctrl-C; where the output is no terminal it
prints each status after the other, with --json one a line.`,
		Example: "  holdfast status\n  holdfast status --watch\n  holdfast status --json -c /etc/holdfast/edge.hcl",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return p.watchStatus(c.Context(), where, asJSON)
			}
			return p.showStatus(c.Context(), where, asJSON)
		},
	}
	where.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON; the fields are in docs/guides/status.md")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on, showing every change")
	return c
}

// exitCode gives the code of a verdict.
func exitCode(v control.Verdict) int {
	switch v {
	case control.Protected:
		return codeDone
	case control.Degraded:
		return codeFailed
	}
	return codeWrong
}

// unanswered is a node that could not be asked: its verdict is not known to be better
// than unprotected.
func unanswered(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	return &exitError{codeWrong, err}
}

func (p *Program) showStatus(ctx context.Context, where target, asJSON bool) error {
	client, err := p.dial(where)
	if err != nil {
		return unanswered(err)
	}
	defer client.Close()
	st, err := client.Status(ctx)
	if err != nil {
		return unanswered(err)
	}
	if asJSON {
		err = p.writeJSON(st)
	} else {
		_, err = p.Output.Write(render(&st, coloured(p.Output)))
	}
	if err != nil {
		return err
	}
	if code := exitCode(st.Verdict); code != codeDone {
		return &exitError{code: code}
	}
	return nil
}

// redialEvery is how often a node that has gone is looked for.
const redialEvery = time.Second

// errQuit is the person's wish to stop watching.
var errQuit = errors.New("quit")

// watchStatus shows every change. On a terminal the picture stays in place and outlives
// the node; elsewhere the end of the node is the end.
func (p *Program) watchStatus(ctx context.Context, where target, asJSON bool) error {
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	defer stop()
	if asJSON || !isTerminal(p.Output) {
		err := p.watchOnce(ctx, where, func(st control.Status) error { return p.follow(&st, asJSON) })
		if ctx.Err() != nil {
			return nil
		}
		return unanswered(err)
	}
	ctx, quit := context.WithCancelCause(ctx)
	defer quit(nil)
	restore := p.onQuit(ctx, quit)
	defer restore()
	for {
		err := p.watchOnce(ctx, where, func(st control.Status) error { return p.draw(render(&st, coloured(p.Output))) })
		if ctx.Err() != nil {
			_, err := fmt.Fprintln(p.Output)
			return err
		}
		var exit *exitError
		if errors.As(err, &exit) || !errors.Is(err, control.ErrUnreachable) {
			return err
		}
		if err := p.draw([]byte(fmt.Sprintf("NO ANSWER\n why     %v\n\nlooking for it every second\n", err))); err != nil {
			return err
		}
		select {
		case <-time.After(redialEvery):
		case <-ctx.Done():
		}
	}
}

func (p *Program) watchOnce(ctx context.Context, where target, show func(control.Status) error) error {
	client, err := p.dial(where)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Watch(ctx, show)
}

// follow prints a status after the former one.
func (p *Program) follow(st *control.Status, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(p.Output).Encode(st)
	}
	_, err := p.Output.Write(append(render(st, false), '\n'))
	return err
}

// draw replaces the picture on a terminal in one write, so that it does not flicker:
// cursor home, each line cleared to its end, and what is below cleared too.
func (p *Program) draw(text []byte) error {
	picture := []byte("\x1b[H")
	picture = append(picture, bytes.ReplaceAll(text, []byte("\n"), []byte("\x1b[K\n"))...)
	picture = append(picture, "\x1b[J\nq quits"...)
	_, err := p.Output.Write(picture)
	return err
}

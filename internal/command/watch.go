package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/control"
)

// redialEvery is how often a node that has gone is looked for.
const redialEvery = time.Second

// errQuit is the person's wish to stop watching.
var errQuit = errors.New("quit")

// showing shows one answer: as a value for JSON, or drawn.
type showing func(value any, draw func(colours bool) []byte) error

// watching asks a node again and again and shows what it says.
type watching func(ctx context.Context, client *control.Client, show showing) error

// watch shows every change. On a terminal the picture stays in place and outlives the
// node; elsewhere the end of the node is the end.
func (p *Program) watch(ctx context.Context, where target, asJSON bool, what watching) error {
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	defer stop()
	if asJSON || !isTerminal(p.Output) {
		err := p.watchOnce(ctx, where, what, func(value any, draw func(bool) []byte) error {
			if asJSON {
				return json.NewEncoder(p.Output).Encode(value)
			}
			_, err := p.Output.Write(append(draw(false), '\n'))
			return err
		})
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
		err := p.watchOnce(ctx, where, what, func(_ any, draw func(bool) []byte) error { return p.draw(draw(coloured(p.Output))) })
		if ctx.Err() != nil {
			_, err := fmt.Fprintln(p.Output)
			return err
		}
		var exit *exitError
		if errors.As(err, &exit) || !errors.Is(err, control.ErrUnreachable) {
			return err
		}
		if err := p.draw(fmt.Appendf(nil, "NO ANSWER\n why     %v\n\nlooking for it every second\n", err)); err != nil {
			return err
		}
		select {
		case <-time.After(redialEvery):
		case <-ctx.Done():
		}
	}
}

func (p *Program) watchOnce(ctx context.Context, where target, what watching, show showing) error {
	client, err := p.dial(where)
	if err != nil {
		return err
	}
	defer client.Close()
	return what(ctx, client, show)
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

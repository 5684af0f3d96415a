package lock

import (
	"context"
	"time"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// Line is a lock in a listing.
type Line = lock.Line

// Report is what Explain tells of a lock: who has it and since when, who waits, who broke
// it last. Times are the service's: see [Report.Now].
type Report = lock.Reply

// Listing is the locks that somebody has or waits for, by name.
type Listing struct {
	Lines []Line
	// Now is the service's time, against which the Since of owners is to be seen. Until is when it will grant something,
	// if it begins, or has lost its state and hears from its clients what they had; 0: it does.
	Now, Until time.Duration
}

// List gives the locks whose names begin with a prefix.
func (k *Client) List(ctx context.Context, prefix string) (*Listing, error) {
	all := &Listing{}
	for after := ""; ; {
		p, err := k.ask(ctx, client.AtLeastOnce, lock.Request{Kind: lock.List, Name: prefix, After: after})
		if err != nil {
			return nil, err
		}
		if err := p.Err(prefix); err != nil {
			return nil, err
		}
		all.Lines = append(all.Lines, p.Lines...)
		all.Now, all.Until = p.Now, p.Until
		if !p.More || len(p.Lines) == 0 {
			return all, nil
		}
		after = p.Lines[len(p.Lines)-1].Name
	}
}

// Explain says who has a lock and who waits for it: the first of them, if they are many.
func (k *Client) Explain(ctx context.Context, name string) (*Report, error) {
	p, err := k.ask(ctx, client.AtLeastOnce, lock.Request{Kind: lock.Explain, Name: name})
	if err != nil {
		return nil, err
	}
	return &p, p.Err(name)
}

// Break takes a lock from who has it: all, or with a token only that one. Their contexts are cancelled
// as soon as they hear of it, which may be late; the number it gives is greater than their
// tokens, so that a guard can be told at once. by and reason are for people.
func (k *Client) Break(ctx context.Context, name string, token uint64, by, reason string) (fence uint64, err error) {
	p, err := k.ask(ctx, client.ExactlyOnce, lock.Request{Kind: lock.Break, Name: name, Number: token, Label: by, Purpose: reason})
	if err != nil {
		return 0, err
	}
	return p.Number, p.Err(name)
}

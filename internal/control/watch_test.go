package control

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errEnough = errors.New("enough")

func TestWatchTellsEachChangeOnce(t *testing.T) {
	node := &fakeNode{status: pair()}
	_, c := serve(t, node)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var seen []Status
	err := c.Watch(ctx, func(s Status) error {
		seen = append(seen, s)
		switch len(seen) {
		case 1: // only the clock moves: not told
			node.set(func(n *fakeNode) {
				n.status.At = n.status.At.Add(time.Second)
				n.status.Peers[0].Links[0].SilentMS = new(Milliseconds(7))
			})
			before := node.count()
			go func() {
				// After the node was asked three times more, a change.
				for node.count() < before+3 && ctx.Err() == nil {
					<-time.After(5 * time.Millisecond)
				}
				node.set(func(n *fakeNode) { n.status.Epoch++ })
			}()
		case 2:
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("Watch: %v", err)
	}
	if len(seen) != 2 || seen[1].Epoch != seen[0].Epoch+1 {
		t.Errorf("watched %d statuses, epochs %d and %d", len(seen), seen[0].Epoch, seen[len(seen)-1].Epoch)
	}
	if seen[0].Verdict != Protected {
		t.Errorf("verdict %q", seen[0].Verdict)
	}
}

func (n *fakeNode) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func TestWatchEnds(t *testing.T) {
	t.Run("with its context", func(t *testing.T) {
		_, c := serve(t, &fakeNode{status: pair()})
		ctx, cancel := context.WithCancel(t.Context())
		err := c.Watch(ctx, func(Status) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
	})
	t.Run("with the node", func(t *testing.T) {
		s, c := serve(t, &fakeNode{status: pair()})
		err := c.Watch(t.Context(), func(Status) error {
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			go s.Close(ended)
			return nil
		})
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("Watch: %v", err)
		}
	})
	t.Run("with the node's failure", func(t *testing.T) {
		node := &fakeNode{status: pair()}
		_, c := serve(t, node)
		err := c.Watch(t.Context(), func(Status) error {
			node.set(func(n *fakeNode) { n.err = errors.New("the loop has stopped") })
			return nil
		})
		var op *OpError
		if !errors.As(err, &op) || op.Err.Error() != "the loop has stopped" {
			t.Errorf("Watch: %v", err)
		}
	})
}

func TestWatchersAreBounded(t *testing.T) {
	node := &fakeNode{status: pair()}
	_, c := serve(t, node)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const watchersMax = 8
	began, ended := make(chan struct{}, watchersMax), make(chan error, watchersMax)
	for range watchersMax {
		go func() {
			ended <- c.Watch(ctx, func(Status) error { began <- struct{}{}; return nil })
		}()
	}
	for range watchersMax {
		<-began
	}
	if err := c.Watch(ctx, func(Status) error { return errEnough }); err == nil || errors.Is(err, errEnough) {
		t.Errorf("one watcher too many: %v", err)
	}
	cancel()
	for range watchersMax {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a watcher ended with %v", err)
		}
	}
}

package driver

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// silent is a transport on which nobody else is.
type silent struct{ sent, flushed int }

func (s *silent) FDs() []int               { return nil }
func (s *silent) Send(wire.Envelope) error { s.sent++; return nil }
func (s *silent) Flush()                   { s.flushed++ }
func (s *silent) Receive(int, func(view.Member, uint8, []byte)) (int, error) {
	return 0, nil
}

// ledger is a service that writes down what it is told.
type ledger struct {
	node   *Node
	stack  *stack.Stack
	orders []stack.Verb
	refuse int // times that Raise fails
	raised view.Epoch
}

func (l *ledger) Do(now time.Time, c stack.Command) {
	l.orders = append(l.orders, c.Verb)
	if c.Verb == stack.Dump {
		l.stack.Dumped(true)
	}
}
func (l *ledger) Finish(time.Time) {}
func (l *ledger) Address(now time.Time, c stack.Command) error {
	l.orders = append(l.orders, c.Verb)
	if c.Verb == stack.Raise && l.refuse > 0 {
		l.refuse--
		l.raised = c.Epoch
		l.node.Work(now)
		return errors.New("refused")
	}
	return nil
}
func (l *ledger) Work(now time.Time, out *stack.Output) time.Time {
	if l.raised != 0 {
		l.stack.Raised(now, l.raised, out)
		l.raised = 0
	}
	return time.Time{}
}

func newNode(t *testing.T, refuse int) (*Node, *ledger, *silent) {
	t.Helper()
	s, err := stack.New(stack.Config{
		Self: view.Member{ID: 1, Incarnation: 1}, Cluster: "test",
		Members: []stack.Member{{ID: 1, Name: "a", Priority: 100}, {ID: 2, Name: "b", Priority: 50}},
		Links:   1, Heartbeat: 2 * time.Millisecond, SuspectAfter: 10 * time.Millisecond, Inject: stack.Continuously,
	}, stack.Recovered{}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{stack: s, refuse: refuse}
	transport := &silent{}
	n, err := NewNode(newLoop(t), s, transport, l)
	if err != nil {
		t.Fatal(err)
	}
	l.node = n
	return n, l, transport
}

// until runs a node until its role is wanted, then stops it.
func until(t *testing.T, n *Node, role takeover.Role) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	reached := false
	n.Observe(func(time.Time) {
		if n.stack.Role() == role {
			reached = true
			cancel()
		}
	})
	if err := n.Run(ctx, time.Second); err != nil {
		t.Fatalf("Run: %v", err)
	}
	if !reached {
		t.Fatalf("the node never was %v", role)
	}
}

func TestNodePutsStateBeforeAddressesAndTakesThemBack(t *testing.T) {
	n, l, transport := newNode(t, 0)
	until(t, n, takeover.Active)
	at := func(v stack.Verb) int { return slices.Index(l.orders, v) }
	if at(stack.Commit) < 0 || at(stack.Commit) > at(stack.Raise) {
		t.Errorf("orders %v: Commit must come before Raise", l.orders)
	}
	if last := l.orders[len(l.orders)-1]; last != stack.Lower {
		t.Errorf("orders %v: the last must be Lower", l.orders)
	}
	if transport.sent == 0 || transport.flushed == 0 {
		t.Errorf("%d envelopes sent, %d flushes", transport.sent, transport.flushed)
	}
}

func TestNodeIsNotActiveUntilTheAddressesAreHeld(t *testing.T) {
	n, l, _ := newNode(t, 1)
	until(t, n, takeover.Active)
	if l.refuse != 0 || l.raised != 0 {
		t.Error("active although the addresses were refused and not tried again")
	}
}

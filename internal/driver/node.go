package driver

import (
	"context"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Transport carries frames between members. internal/edge/udp is one.
type Transport interface {
	FDs() []int // one a link
	Send(wire.Envelope) error
	Flush()
	Receive(link int, fn func(from view.Member, link uint8, frame []byte)) (int, error)
}

// Service is what the stack's commands are for: the kernel's table and the addresses.
type Service interface {
	// Do carries out or begins an order about an object or the table. It reads key and
	// state during the call only.
	Do(now time.Time, c stack.Command)
	// Finish carries out what Do has begun.
	Finish(now time.Time)
	// Address carries out Raise, Lower and Announce. An error of Raise means that not
	// all addresses are held.
	Address(now time.Time, c stack.Command) error
	// Work goes on with what takes long, a little at a time, and reports when it wants
	// to be called again; zero: not until asked.
	Work(now time.Time, out *stack.Output) time.Time
}

// Node runs one stack.
type Node struct {
	loop      *Loop
	stack     *stack.Stack
	transport Transport
	service   Service
	outs      [2]stack.Output // what steps put out; the other while one is carried out
	which     int
	workAt    time.Time
	failed    error
	observers []func(now time.Time)
}

// NewNode puts a stack on a loop. Nothing happens before Run.
func NewNode(l *Loop, s *stack.Stack, t Transport, v Service) (*Node, error) {
	n := &Node{loop: l, stack: s, transport: t, service: v}
	for i, fd := range t.FDs() {
		link := i + 1
		if err := l.Watch(fd, func(now time.Time) { n.receive(now, link) }); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// Out is where the inputs that this package does not know put their output. It is
// carried out at the end of the step.
func (n *Node) Out() *stack.Output { return &n.outs[n.which] }

// Observe calls fn after each step.
func (n *Node) Observe(fn func(now time.Time)) { n.observers = append(n.observers, fn) }

// Work asks for the service's Work to be called at the end of this step.
func (n *Node) Work(at time.Time) {
	if n.workAt.IsZero() || at.Before(n.workAt) {
		n.workAt = at
	}
}

// Run serves until ctx is done, then stops the stack cleanly within grace.
func (n *Node) Run(ctx context.Context, grace time.Duration) error {
	n.stack.Start(now(), n.Out())
	n.carryOut(now())
	err := n.loop.Run(ctx, n.deadline, n.step)
	if ctx.Err() == nil {
		return err
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	n.stack.Stop(now(), n.Out())
	n.carryOut(now())
	if n.stack.Stopped() {
		return nil
	}
	err = n.loop.Run(stopping, n.deadline, func(now time.Time) bool {
		return n.step(now) || n.stack.Stopped()
	})
	if n.failed != nil {
		return n.failed
	}
	if stopping.Err() != nil {
		return &OpError{"stop", stopping.Err()}
	}
	return err
}

func (n *Node) deadline() time.Time {
	d := n.stack.Deadline()
	if !n.workAt.IsZero() && (d.IsZero() || n.workAt.Before(d)) {
		d = n.workAt
	}
	return d
}

// step ends a wake-up: what is due is done, what was put out is carried out. Work that
// goes on at once gets half of the time at most: at real-time priority, the rest of the
// machine would stand still until all of it is done.
func (n *Node) step(t time.Time) bool {
	goesOn := false
	if !n.workAt.IsZero() && !t.Before(n.workAt) {
		n.workAt = time.Time{}
		if at := n.service.Work(t, n.Out()); !at.IsZero() {
			n.Work(at)
			goesOn = !at.After(t)
		}
	}
	if d := n.stack.Deadline(); !d.IsZero() && !t.Before(d) {
		n.stack.Tick(t, n.Out())
	}
	n.carryOut(t)
	for _, fn := range n.observers {
		fn(t)
	}
	if goesOn {
		end := now()
		n.workAt = end.Add(end.Sub(t))
	}
	return n.failed != nil
}

func (n *Node) receive(t time.Time, link int) {
	_, err := n.transport.Receive(link, func(from view.Member, link uint8, frame []byte) {
		n.stack.Receive(t, from, link, frame, n.Out())
	})
	if err != nil {
		n.failed = err
	}
}

// carryOut does what the stack asks until it asks nothing more.
func (n *Node) carryOut(t time.Time) {
	for range roundsMax {
		out := n.Out()
		if out.Empty() {
			return
		}
		n.which = 1 - n.which
		out.Send(n.send)
		n.transport.Flush()
		for i := range out.Do {
			n.command(t, out.Do[i])
		}
		n.service.Finish(t)
		out.Reset()
	}
}

// roundsMax bounds the rounds of one step; a command's completion may ask for more.
const roundsMax = 64

// send posts an envelope. A frame that cannot be queued is a lost one.
func (n *Node) send(e wire.Envelope) { _ = n.transport.Send(e) }

func (n *Node) command(t time.Time, c stack.Command) {
	switch c.Verb {
	case stack.Commit:
		n.service.Do(t, c)
		n.service.Finish(t)
		n.stack.Committed(now(), c.Epoch, n.Out())
	case stack.Raise:
		n.service.Finish(t)
		if n.service.Address(t, c) == nil {
			n.stack.Raised(now(), c.Epoch, n.Out())
		}
	case stack.Lower:
		_ = n.service.Address(t, c) // what cannot be removed expires
		n.stack.Lowered(now(), c.Epoch, n.Out())
	case stack.Announce:
		_ = n.service.Address(t, c)
	default:
		n.service.Do(t, c)
	}
}

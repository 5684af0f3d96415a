// Package peers shares locks among the members of a group, without any lock server: each process that wants locks keeps, together with
// the others, the queue of all of them (Lamport's mutual exclusion, 1978; package protocol/replica/peers has the argument).
//
//	node, err := holdfast.Open(holdfast.Config{…})
//	…
//	locks, err := peers.Join(ctx, node, peers.Config{Group: "locks"})
//	…
//	defer locks.Close(ctx)
//	l, err := locks.Enter(ctx, "nightly-report", lock.Options{})
//	…
//	defer l.Leave(context.WithoutCancel(ctx))
//	work(l.Context(), l.Token())
//
// What comes back is a [lock.Client], as of a lock service: the same locks, tokens, guards and promises.
//
// # Which of the two
//
// With peers there is nothing to install and to look after: the programs themselves decide. But every one of them is a
// member: more than half of all that are configured must be there and hear one another, or nobody is granted anything; each
// request goes to all. Use it for a few programs that are always there, a daemon on each of three machines, say. For many
// programs, for scripts, and for what comes and goes, use the lock service (package lock).
//
// # What takes how long
//
// A lock that nobody has is granted when all members have shown their clocks: a round trip on the network. A member that dies is taken out of
// the group within twice Config.SuspectAfter of the node, and what it held goes to who is next a lease after that: till then it could be cut
// off and believe. When all members come up together locks are granted at once; if somebody is missing when a group begins
// with nothing, only after a lease, for somebody of a former one may still believe.
package peers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/lock"
	machine "github.com/holdfast-ha/holdfast/protocol/replica/peers"
	"github.com/holdfast-ha/holdfast/protocol/view"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// Config is what a member needs. Group and Lease must be the same at all.
type Config struct {
	// Group is the name of the group whose members share the locks, 1 to 63 bytes. It is of its own: nothing else is multicast in it.
	Group string
	// Lease is for how long the locks of a member that is not heard stay its own: 50 ms to 1 h. 0: 10 s. Who has another than the
	// rest is refused at its first Enter. To change it, close all of them first.
	Lease time.Duration
	// Margin is how long before the end of the lease the contexts are cancelled: what the
	// work needs to stop. 0: a fourth of the lease. Less than half of it.
	Margin time.Duration
	// Label says who this is, for people. "": host and process number.
	Label string
}

// Join makes a node's process one of those that share locks, and waits until the group is there. The
// client's Close leaves the group, and what was held goes to who is next. If the process is to share locks again, it joins anew.
func Join(ctx context.Context, node *holdfast.Node, cfg Config) (*lock.Client, error) {
	c := lock.Config{Lease: cfg.Lease, Margin: cfg.Margin, Label: cfg.Label}
	return lock.Over(c, func(c lock.Config, told lock.Told) (lock.Caller, error) { return join(ctx, node, cfg, c, told) })
}

func join(ctx context.Context, node *holdfast.Node, cfg Config, c lock.Config, told lock.Told) (lock.Caller, error) {
	n := node.Config()
	p := newPeer(told)
	names := names(n)
	p.name = n.Name
	for i, name := range names {
		p.ids[name] = view.ID(i + 1)
		votes, has := n.Votes[name]
		if !has {
			votes = 1
		}
		p.seats = append(p.seats, view.Seat{
			Member: view.Member{ID: view.ID(i + 1)}, Votes: uint8(votes), Witness: slices.Contains(n.Witnesses, name),
		})
	}
	var err error
	p.machine, err = machine.New(time.Now(), machine.Config{
		Self:  view.Member{ID: p.ids[n.Name], Incarnation: view.Incarnation(node.Incarnation())},
		Seats: p.seats, Lease: c.Lease,
		New: func(floor uint64, window time.Duration) machine.Service {
			s, err := service.New(service.Config{Floor: floor, Window: window})
			if err != nil {
				panic(err) // the machine gives floors that can be
			}
			return s
		},
	})
	if err != nil {
		p.die()
		return nil, fmt.Errorf("join the group %q: %w", cfg.Group, err)
	}
	p.group, err = node.Join(ctx, holdfast.GroupConfig{Name: cfg.Group, Engine: "lamport", Snapshot: p.snapshot, Restore: p.restore})
	if err != nil {
		p.die()
		return nil, err
	}
	p.begin()
	return p, nil
}

// names are those of all members, in the order of their IDs.
func names(n holdfast.Config) []string {
	all := make([]string, 0, len(n.Members))
	for name := range n.Members { //tidy:unordered sorted below
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

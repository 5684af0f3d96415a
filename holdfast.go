// Package holdfast lets processes on different machines act as a group: each knows who
// is in it, and each receives every message, in an agreed order, through crashes, joins,
// leaves and partitions.
//
// A program opens a [Node], which is its process's place in a cluster, and joins a
// [Group]:
//
//	node, err := holdfast.Open(holdfast.Config{
//		Cluster: "shop", Name: "a", KeyFile: "/etc/shop/key",
//		Members: map[string][]string{"a": {"192.0.2.1:7400"}, "b": {"192.0.2.2:7400"}, "c": {"192.0.2.3:7400"}},
//	})
//	…
//	group, err := node.Join(ctx, holdfast.GroupConfig{Name: "orders"})
//	…
//	_, err = group.Multicast(ctx, []byte("hello"), holdfast.Total)
//	for event, err := range group.Events(ctx) {
//		…
//	}
//
// # What a group promises
//
// The first event is a [View]: who the members are. Later views tell who came and who
// went. Members that go from one view to the next together have received the same
// messages between the two, and a message is received in the view in which it was sent.
// No member has another idea of a view of the same name.
//
// A message that a member multicasts is delivered to all members of the view that stay,
// the sender included, exactly once; in which order it says itself, see [Order]. If the
// sender crashes, either all the others deliver it or none does. With [Uniform], none
// does so only if nobody did, not even a member that has crashed.
//
// A member that is not heard is taken for crashed and is not in the next view. If it was
// not, it learns so ([Expelled]) and comes back as a newcomer.
//
// When the network falls apart, the part with more than half of the votes goes on; the
// others tell that they are [Blocked], deliver nothing and accept messages only as far
// as the queue goes. With GroupConfig.Partition "all" each part goes on, and when they
// find one another again a view tells it.
//
// A member that joins is given the state of the group as it was at one point among the
// messages, and then every later message, see [GroupConfig].
//
// docs/guarantees.md has the promises one by one, with the tests of each. Nothing is
// written to a disk: if all members crash, the state is gone.
package holdfast

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/internal/driver/admin"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
)

// Node is a process's place in a cluster. Its methods may be called from any goroutine.
type Node struct {
	cfg       Config
	names     []string // by ID, the first is nobody's
	life      uint64
	transport transport
	cohort    *driver.Cohort
	door      *admin.Server // nil without Config.Control
	once      sync.Once
	fronts    sync.WaitGroup // of services
}

// Open makes a process a member of a cluster: it opens the sockets and begins to listen
// for the others. It does not wait for them, and joins no group.
//
// The error is an [*Error] of kind [Invalid] if the configuration cannot work; it says
// what to change. It is of kind [Failed] if something could not be opened.
//
// A name must be used by one process at a time. A second one replaces the first, which
// the others take for its former life; see Status if that happens.
func Open(cfg Config) (*Node, error) {
	c, err := cfg.check()
	if err != nil {
		return nil, &Error{Op: "open", Kind: Invalid, Err: err}
	}
	t, err := openTransport(c)
	if err != nil {
		return nil, &Error{Op: "open", Kind: Failed, Err: err}
	}
	n := &Node{cfg: cfg, names: c.names, life: uint64(c.node.Self.Incarnation), transport: t}
	n.cohort, err = driver.NewCohort(driver.CohortConfig{
		Cluster: cfg.Cluster, Node: c.node, Transport: t, Log: cfg.Logger,
		Refusals: func() []driver.Refusal { return c.refusals(t) }, Addresses: c.written(),
	}, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if err != nil {
		t.Close()
		return nil, &Error{Op: "open", Kind: Failed, Err: err}
	}
	if err := n.openDoor(); err != nil {
		n.Close()
		return nil, &Error{Op: "open", Kind: Failed, Err: err}
	}
	return n, nil
}

// Config is what the node was opened with. It must not be changed.
func (n *Node) Config() Config { return n.cfg }

// Incarnation numbers this life of the process, as View.Incarnations does: one that comes later has a greater number.
func (n *Node) Incarnation() uint64 { return n.life }

// Join takes part in a group, and waits for the first view; if the group has a state, for
// that too: GroupConfig.Restore has been called then.
//
// If ctx ends before, the error is an [*Error] of kind [Waiting]. It says what was waited
// for: who is not heard, who refused this member and why. A member that is refused goes
// on asking until ctx ends, since what is wrong may be put right at another member.
func (n *Node) Join(ctx context.Context, cfg GroupConfig) (*Group, error) {
	c, err := cfg.check(&n.cfg)
	if err != nil {
		return nil, &Error{Op: "join", Group: cfg.Name, Kind: Invalid, Err: err}
	}
	at, err := n.cohort.Join(c)
	if err != nil {
		return nil, failure("join", cfg.Name, err)
	}
	g := &Group{node: n, name: cfg.Name, at: at}
	if err := at.Await(ctx); err != nil {
		at.Abandon()
		return nil, failure("join", cfg.Name, err)
	}
	return g, nil
}

// Status writes what the node knows of itself and the others, as JSON: members and how
// they are heard, groups, views, what waits for whom, and what was refused. Its form is
// that of `holdfast group --json`.
func (n *Node) Status(w io.Writer) error {
	if err := n.cohort.WriteStatus(w); err != nil {
		return failure("status", "", err)
	}
	return nil
}

// ReloadKeys reads Config.KeyFile again. The first key seals, all open: so keys are
// changed without a pause, see docs/rfc/0002-envelope.md. If the file is wrong the keys
// in use stay.
func (n *Node) ReloadKeys() error {
	if n.cfg.Insecure {
		return &Error{Op: "reload keys", Kind: Invalid, Err: errors.New("the node is insecure and has none; open it with a KeyFile")}
	}
	ring, err := key.Load(n.cfg.KeyFile)
	if err != nil {
		return &Error{Op: "reload keys", Kind: Failed, Err: err}
	}
	if !n.cohort.Do(func() { err = n.transport.SetKeys(ring) }) {
		err = driver.ErrClosed
	}
	if err != nil {
		return failure("reload keys", "", err)
	}
	return nil
}

// Close ends the node at once, without a word to the others: they take it for crashed
// when they have not heard it for Config.SuspectAfter. Leave groups before to spare them
// the wait. What waits in calls ends with an error of kind [Closed]. Nothing of the node
// runs any more when Close returns. A second Close does nothing.
func (n *Node) Close() error {
	n.once.Do(func() {
		n.closeDoor()
		n.cohort.Close()
		n.fronts.Wait()
		n.transport.Close()
	})
	return nil
}

// nameOf gives a member's name.
func (n *Node) nameOf(id int) string {
	if id < len(n.names) {
		return n.names[id]
	}
	return fmt.Sprint("member ", id)
}

// check turns a group's configuration into that of the driver.
func (c *GroupConfig) check(node *Config) (driver.GroupConfig, error) {
	d := driver.GroupConfig{
		Group:    cohort.GroupConfig{Name: c.Name, MessageMax: c.MessageMax, Stateful: c.Snapshot != nil || c.Stateful},
		Witness:  slices.Contains(node.Witnesses, node.Name),
		Snapshot: c.Snapshot, Restore: c.Restore, EventsMax: c.QueueMax,
	}
	switch {
	case c.Name == "" || len(c.Name) > nameMax:
		return d, fmt.Errorf("the group's name has %d bytes; give it 1 to %d", len(c.Name), nameMax)
	case c.MessageMax < 0 || c.MessageMax > messageMax:
		return d, fmt.Errorf("MessageMax is %d bytes; it must be 0 to %d", c.MessageMax, messageMax)
	case c.QueueMax < 0:
		return d, fmt.Errorf("QueueMax is %d bytes; it must not be negative, and 0 means 4 MiB", c.QueueMax)
	case d.Witness && c.Snapshot != nil:
		return d, fmt.Errorf("%s is a witness, and a witness has no state; leave Snapshot and Restore out at it", node.Name)
	case c.Service != nil && !d.Witness:
		return d, fmt.Errorf("Service at %s, which is not a witness: a member keeps a replica; call Serve", node.Name)
	case c.Stateful && !d.Witness && c.Snapshot == nil:
		return d, fmt.Errorf("the group has a state and %s no Snapshot: give it Snapshot and Restore, or make it a witness", node.Name)
	case (c.Snapshot == nil) != (c.Restore == nil):
		return d, errors.New("one of Snapshot and Restore is missing: who is given the state must be able to give it to the next")
	}
	if c.Service != nil {
		terms, err := c.Service.terms(node)
		if err != nil {
			return d, err
		}
		terms.Apply(&d.Group)
	}
	switch c.Partition {
	case "", "primary":
	case "all":
		d.Group.All = true
	default:
		return d, fmt.Errorf("the partition policy %q does not exist; choose primary or all", c.Partition)
	}
	switch c.Engine {
	case "", "sequencer":
		d.Group.Engine = order.Sequencer
	case "lamport":
		d.Group.Engine = order.Lamport
	case "isis":
		d.Group.Engine = order.ISIS
	default:
		return d, fmt.Errorf("the engine %q of the total order does not exist; choose sequencer, lamport or isis", c.Engine)
	}
	return d, nil
}

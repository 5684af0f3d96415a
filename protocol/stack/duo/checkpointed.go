package duo

import (
	"bytes"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/checkpointed"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// CheckpointedConfig is what a member of a process pair needs beside.
type CheckpointedConfig struct {
	Config
	Every time.Duration // between two checkpoints; 0 for the machine's default
}

// JoinCheckpointed makes a member of a process pair, of which one takes over from a store that both reach. Its owner carries
// [Member.Operations] to the store and brings the answers back with [Member.Done].
func JoinCheckpointed(now time.Time, node *cohort.Node, cfg CheckpointedConfig) (*Member, error) {
	m, err := newMember(node, &cfg.Config)
	if err != nil {
		return nil, err
	}
	machine, err := checkpointed.New(checkpointed.Config{
		Self: cfg.Self, Peer: cfg.Peer, Preferred: cfg.Preferred, Fingerprint: cfg.Fingerprint, Head: m.key[:], Every: cfg.Every,
		Heartbeat: cfg.Heartbeat, SuspectAfter: cfg.SuspectAfter, Executor: cfg.Executor, Recorder: cfg.Recorder,
	})
	if err != nil {
		return nil, err
	}
	m.style = &checkpointing{machine: machine}
	m.begin(now)
	return m, nil
}

// checkpointing is the style in which the survivor takes over from a store.
type checkpointing struct {
	machine *checkpointed.Machine
	out     checkpointed.Output
	asked   []checkpointed.Operation // of the store, and not taken yet
}

func (c *checkpointing) start(now time.Time) { c.machine.Start(now, &c.out) }

func (c *checkpointing) submit(now time.Time, from caller, request []byte) {
	c.machine.Submit(now, replica.Client(from), request, &c.out)
}

func (c *checkpointing) receive(now time.Time, from view.Member, payload []byte) {
	c.machine.Receive(now, from, payload, &c.out)
}

func (c *checkpointing) tick(now time.Time)    { c.machine.Tick(now, &c.out) }
func (c *checkpointing) deadline() time.Time   { return c.machine.Deadline() }
func (c *checkpointing) server() view.ID       { return c.machine.Server() }
func (c *checkpointing) doubt(now time.Time)   { c.machine.Doubt(now) }
func (c *checkpointing) channel() wire.Channel { return wire.Checkpointed }
func (c *checkpointing) outbox() *wire.Outbox  { return &c.out.Outbox }
func (c *checkpointing) reset()                { c.out.Reset() }
func (c *checkpointing) stable() uint64        { return c.machine.State().Saved }
func (c *checkpointing) present() bool         { return c.machine.State().Role == checkpointed.Primary }

func (c *checkpointing) status() Status {
	s := c.machine.State()
	return Status{
		Style: "checkpointed", Role: s.Role.String(), Epoch: s.Epoch, Silent: s.Silent, Index: s.Index, Stable: s.Saved,
		Whole: !s.Silent && !s.Unable && c.machine.Server() != view.Nobody,
	}
}

// reap hands over what was put out. What is asked of the store is kept until it is taken.
func (c *checkpointing) reap(reply func(to caller, data []byte), do func(*replica.Command)) {
	for i := range c.out.Replies {
		reply(caller(c.out.Replies[i].To), c.out.Replies[i].Data)
	}
	c.out.Replies = c.out.Replies[:0]
	for i := range c.out.Do {
		do(&c.out.Do[i])
	}
	c.out.Do = c.out.Do[:0]
	for _, op := range c.out.Store {
		if op.Kind != checkpointed.Checkpoint { // whose bytes are its own
			op.Data = bytes.Clone(op.Data)
		}
		c.asked = append(c.asked, op)
	}
	c.out.Store = c.out.Store[:0]
}

// Operations takes what the store is to do, in this order. It belongs to the caller.
func (m *Member) Operations() []checkpointed.Operation {
	c, is := m.style.(*checkpointing)
	if !is || len(c.asked) == 0 {
		return nil
	}
	asked := c.asked
	c.asked = nil
	return asked
}

// Done takes an answer of the store.
func (m *Member) Done(now time.Time, r *checkpointed.Result) {
	c := m.style.(*checkpointing)
	c.machine.Done(m.node.Begin(now), r, &c.out)
	m.reap()
}

// Checkpoint has the state saved now, if this member serves from a store.
func (m *Member) Checkpoint(now time.Time) {
	if c, is := m.style.(*checkpointing); is {
		c.machine.Checkpoint(m.node.Begin(now), &c.out)
		m.reap()
	}
}

// Waits says whether this member would take over, and has no state as long as it need not.
func (m *Member) Waits() bool {
	c, is := m.style.(*checkpointing)
	return is && !m.left && c.machine.State().Role == checkpointed.Standby && c.machine.Server() == m.cfg.Peer
}

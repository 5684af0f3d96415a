package replicated

import (
	"fmt"
	"io"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/active"
	"github.com/holdfast-ha/holdfast/protocol/replica/passive"
	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Style is how a service is replicated. All members of a group must have the same.
type Style uint8

// The styles.
const (
	Active  Style = iota // every member executes every command
	Passive              // the primary executes, the others follow
	Voted                // voters execute and vote on each reply; the others are spares

	styleCount
)

var styleNames = [styleCount]string{"active", "passive", "voted"}

// String is the style's name.
func (s Style) String() string {
	if s < styleCount {
		return styleNames[s]
	}
	return "unknown style"
}

// Machine is what the machines of all styles are to the stack.
type Machine interface {
	// Viewed tells of a view that this member is in, with its state; Out that it is in none,
	// or has no state any more.
	Viewed(now time.Time, v *view.View, out *replica.Output)
	Out()

	// Submit takes a client's request, which is valid during the call.
	Submit(now time.Time, from replica.Client, request []byte, out *replica.Output)

	// Next is the size in bytes of the message that Proceed makes; 0: none. It is made only
	// when it can leave at once, in the view that the machine knows.
	Next() int
	Proceed(now time.Time, out *replica.Output)

	// Delivered takes a message of a member; Unsent tells that an own one was not taken, the
	// back-th from the last of those in out, from 1; Lost that so many, the oldest that are under way,
	// will not be delivered here.
	Delivered(now time.Time, from view.Member, payload []byte, out *replica.Output)
	Unsent(now time.Time, back int, out *replica.Output)
	Lost(count int)

	Tick(now time.Time, out *replica.Output)
	Deadline() time.Time

	// Snapshot writes the state as of what was delivered; or the error says why this member
	// must not give it. Restore reads one in place of the present one; Viewed follows.
	Snapshot(w io.Writer) error
	Restore(now time.Time, r io.Reader) error

	// Proofs is what is known of the others' copies, valid until anything else is called; false if digests are not compared.
	Proofs() ([]replica.Proof, bool)

	View() *view.View          // the one it is in with its state, or nil
	Stopped() *replica.Command // why nothing is executed any more; nil: it is
	Damaged() bool             // the state is wrong, and must not be used even if nobody else has one
	Halt(why *replica.Command) // execute nothing any more, until another state is restored
	Settled() uint64           // index of the last command that this member has for good
	Sure() uint64              // index of the last command that clients may be told of, and disks
	Executor() *session.Executor
}

// Terms are what all members of a service must agree on about how it is replicated.
type Terms struct {
	Style    Style
	Voters   int    // Voted: how many vote
	Compared bool   // Voted: replies are compared, not only held to be the same to the last bit
	Durable  bool   // it is kept on disks
	Service  string // what the service itself wants to be alike, session.Termed; "": nothing
}

// Apply puts them into the configuration of the service's group, whose members refuse who has others.
func (t *Terms) Apply(g *cohort.GroupConfig) {
	g.Stateful, g.Durable, g.Style = true, t.Durable, t.Style.String()
	if t.Style == Voted {
		g.Style += fmt.Sprintf(" voters=%d", t.Voters)
	}
	if t.Compared {
		g.Style += " replies=compared"
	}
	if t.Service != "" {
		g.Style += " " + t.Service
	}
}

// terms are those of a configuration.
func (c *Config) terms() Terms {
	t := Terms{Style: c.Style, Voters: c.Voters, Compared: c.Comparer != nil, Durable: c.Store != nil}
	if c.Executor != nil {
		t.Service = c.Executor.Terms()
	}
	if c.Style == Voted && t.Voters == 0 {
		t.Voters = voted.VotersDefault
	}
	return t
}

// machine makes the machine of the configured style.
func (c *Config) machine(messageMax int) (Machine, error) {
	switch c.Style {
	case Active:
		return active.New(active.Config{Self: c.Self, Executor: c.Executor, MessageMax: messageMax, Recorder: c.Recorder}), nil
	case Passive:
		return passive.New(passive.Config{Self: c.Self, Executor: c.Executor, MessageMax: messageMax, Recorder: c.Recorder}), nil
	case Voted:
		return voted.New(voted.Config{
			Self: c.Self, Executor: c.Executor, Voters: c.Voters, Comparer: c.Comparer, MessageMax: messageMax, Recorder: c.Recorder,
		})
	}
	return nil, fmt.Errorf("replicated: service %q: its style is %d; there are active, passive and voted", c.Group.Name, c.Style)
}

var (
	_ Machine = (*active.Machine)(nil)
	_ Machine = (*passive.Machine)(nil)
	_ Machine = (*voted.Machine)(nil)
)

package holdfast

import (
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
)

// Style is how a service is replicated: who executes a command, and when its client is
// answered. All members of a service have the same; one that has another is refused, and told so.
// The service and its clients are the same whatever the style. docs/guides/styles.md says which to
// choose.
type Style uint8

// The styles. The zero Style is Active.
const (
	// Active: every member executes every command, in one order.
	Active Style = iota
	// Passive: the primary executes, the others follow; requests that come to another member
	// are sent on to it.
	Passive
	// Voted: members execute, and a client is answered what more than half of the voters have made
	// of its command.
	Voted
	// Pair: two servers, of which the primary executes and the backup answers.
	Pair
	// Checkpointed: two servers and a directory that both reach: one serves and records there each
	// command, and its state now and then; the other takes over from there.
	Checkpointed

	styleCount
)

var styleNames = [styleCount]string{"active", "passive", "voted", "pair", "checkpointed"}

// String is the style's name.
func (s Style) String() string {
	if s < styleCount {
		return styleNames[s]
	}
	return fmt.Sprintf("style %d", uint8(s))
}

// MarshalText gives the style's name.
func (s Style) MarshalText() ([]byte, error) {
	if s >= styleCount {
		return nil, fmt.Errorf("holdfast: there is no style %d; the last is %v", uint8(s), styleCount-1)
	}
	return []byte(styleNames[s]), nil
}

// UnmarshalText takes a style's name.
func (s *Style) UnmarshalText(text []byte) error {
	i := slices.Index(styleNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("holdfast: there is no style %q; choose active, passive, voted, pair or checkpointed", text)
	}
	*s = Style(i)
	return nil
}

// inner is the style as the stack knows it.
func (s Style) inner() (replicated.Style, error) {
	switch s {
	case Active:
		return replicated.Active, nil
	case Passive:
		return replicated.Passive, nil
	case Voted:
		return replicated.Voted, nil
	case Pair:
		return 0, errors.New("the style pair is one of two servers")
	case Checkpointed:
		return 0, errors.New("the style checkpointed is one of two servers")
	}
	return 0, fmt.Errorf("there is no style %d; choose Active, Passive or Voted", uint8(s))
}

// terms are what all members must agree on about how a service is replicated. The error says what
// cannot be.
func (c *ServiceConfig) terms(node *Config) (replicated.Terms, error) {
	t := replicated.Terms{Durable: c.Data != "", Voters: c.Voters, Compared: c.Comparer != nil, Service: session.Terms(c.Service)}
	var err error
	if t.Style, err = c.Style.inner(); err != nil {
		return t, err
	}
	workers := 0
	for name := range node.Members {
		if !slices.Contains(node.Witnesses, name) {
			workers++
		}
	}
	votes := c.Style == Voted
	switch {
	case !votes && c.Voters != 0:
		return t, fmt.Errorf("there are to be %d Voters, and the style is %v, which has none; leave it 0, or choose Voted", c.Voters, c.Style)
	case !votes && c.Comparer != nil:
		return t, fmt.Errorf("there is a Comparer, and the style is %v, which compares no replies; leave it nil, or choose Voted", c.Style)
	case votes && c.Comparer != nil && c.Data != "":
		return t, errors.New("there are a Comparer and Data: replies that differ by right cannot be told from a log that was damaged when it is executed again; leave one of the two out")
	case votes && c.Voters > workers:
		return t, fmt.Errorf("there are to be %d Voters, and %d members have the state; give it 2 to %d, or have more members", c.Voters, workers, workers)
	case votes && c.Voters == 0 && workers < voted.VotersDefault:
		return t, fmt.Errorf("the style is voted, and %d members have the state: it takes %d to decide who is wrong; have more members, or set Voters to 2, with which a difference stops the service", workers, voted.VotersDefault)
	case c.Voters < 0 || c.Voters == 1:
		return t, fmt.Errorf("there are to be %d Voters: one is no vote; give it 2 or more, or 0 for %d", c.Voters, voted.VotersDefault)
	}
	if votes && t.Voters == 0 {
		t.Voters = voted.VotersDefault
	}
	return t, nil
}

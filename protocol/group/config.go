package group

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config is what a member is told. It does not change after [New].
type Config struct {
	Self        view.Member
	Candidates  []view.Seat // whom the configuration names, ascending by ID, with votes and without lives; Self is among them
	Group       uint32
	Fingerprint uint32 // of the frames
	Terms       string // all that the members of the group must agree on, in words; at most termsMax bytes
	All         bool   // every component goes on; otherwise only the one with the votes

	// Durable: members have disks, and what is on more than half of them is kept whatever
	// becomes of the processes. The owner tells what it has with [Machine.Stand], and answers
	// Pledge. Not with All.
	Durable bool

	Past Past // of a former membership in the group in this life

	Pulse    time.Duration // how often a member says where it stands
	Patience time.Duration // how long a stage of a view change may take until it is begun anew; about the detection time

	Recorder trace.Recorder // nil: nobody listens
}

// Past is what a life knows from a membership in the group that is over.
type Past struct {
	Floor  view.Name  // the latest view that it was in, or knows to be without it
	Ended  view.Epoch // the group is known to have ended with this epoch; 0: it is not
	Serial uint64     // of the last pulse
	Last   *Outcome   // the latest outcome that is known; nil: none
	All    bool       // the group goes on in every component
}

// New makes a member that is in no view. It does nothing before [Machine.Join].
func New(cfg Config, rng *rand.Rand) (*Machine, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("group: %w", err)
	}
	m := &Machine{cfg: cfg, rng: rng, self: -1, floor: cfg.Past.Floor, ended: cfg.Past.Ended, serial: cfg.Past.Serial, lastWay: cfg.Past.Last}
	m.void.Seats = cfg.Candidates
	for i, seat := range cfg.Candidates {
		m.peers = append(m.peers, peer{seat: seat})
		if seat.ID == cfg.Self.ID {
			m.self = i
			m.peers[i].life = cfg.Self
		} else {
			m.others = append(m.others, seat.ID)
		}
	}
	m.change.reports = make([]report, len(m.peers))
	return m, nil
}

func (c *Config) check() error {
	found := false
	for i, seat := range c.Candidates {
		found = found || seat.ID == c.Self.ID
		if seat.ID == view.Nobody || seat.ID == view.Everyone || i > 0 && seat.ID <= c.Candidates[i-1].ID {
			return fmt.Errorf("candidate %d is %v; candidates must be members, ascending by ID", i, seat.ID)
		}
	}
	switch {
	case !c.Self.Known():
		return fmt.Errorf("this member is %v; both its ID and its life must be known", c.Self)
	case !found:
		return fmt.Errorf("%v is not among the candidates", c.Self.ID)
	case len(c.Candidates) > view.SeatMax:
		return fmt.Errorf("%d candidates; at most %d", len(c.Candidates), view.SeatMax)
	case len(c.Terms) > termsMax:
		return fmt.Errorf("the terms have %d bytes, more than %d", len(c.Terms), termsMax)
	case c.Pulse <= 0 || c.Patience <= 0:
		return fmt.Errorf("pulse %v and patience %v must be positive", c.Pulse, c.Patience)
	}
	if c.All && c.Durable {
		return fmt.Errorf("a durable group with partition = all: two parts that go on apart have two states; choose primary")
	}
	whole := view.View{Seats: c.Candidates}
	if !c.All && whole.Votes() == 0 {
		return fmt.Errorf("no candidate has a vote; a group with partition = primary needs votes")
	}
	return nil
}

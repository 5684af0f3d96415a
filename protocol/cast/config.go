package cast

import (
	"fmt"
	"math/rand/v2"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config is what a machine must be told. It is not changed after [New].
type Config struct {
	Self        view.Member
	Group       uint32 // the group's number: packets of others are dropped. Members must agree
	Fingerprint uint32 // goes into every frame

	// Window is how many packets this member may be ahead of what the slowest member has
	// released, 256 to 4096; 0 for 1024. It bounds what every member keeps of this one's
	// stream. Members may differ.
	Window int

	// All makes every member of a view that is no witness a holder that [Machine.Agreed]
	// waits for: partition "all", in which any component may go on alone.
	All bool

	// Hold is how many votes the holders that [Machine.Agreed] waits for must have, if that
	// is more than [view.View.HoldQuorum]; 0 for no more. All must hold what is beyond the
	// votes of the view. It is for members that may go on without a quorum of the view.
	Hold int

	Recorder trace.Recorder // nil: nobody listens
}

// New makes a machine that is in no view: it takes and sends nothing until
// [Machine.Install]. rng chooses whom to ask for what a sender does not answer.
func New(cfg Config, rng *rand.Rand) (*Machine, error) {
	if cfg.Window == 0 {
		cfg.Window = windowDefault
	}
	switch {
	case !cfg.Self.Known():
		return nil, fmt.Errorf("cast: Self is %v: both ID and incarnation must be known", cfg.Self)
	case cfg.Window < windowLeast || cfg.Window > windowMost:
		return nil, fmt.Errorf("cast: Window is %d packets: %d to %d are possible, 0 for %d", cfg.Window, windowLeast, windowMost, windowDefault)
	case rng == nil:
		return nil, fmt.Errorf("cast: no source of chance is given")
	}
	return &Machine{cfg: cfg, rng: rng, rank: -1, stamp: stamp(cfg.Group, view.Name{})}, nil
}

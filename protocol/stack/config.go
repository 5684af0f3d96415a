package stack

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Inject says when replicated state goes into the service's table.
type Inject uint8

// The ways to inject.
const (
	Continuously Inject = 1 + iota // as it arrives: nothing is left to do at a takeover
	AtTakeover                     // when this node takes over, before the address moves
)

// Member is a member as the configuration names it.
type Member struct {
	ID       view.ID
	Name     string // at most 63 bytes
	Priority uint8
}

// Config is what a node is told. It does not change after [New].
type Config struct {
	Self        view.Member
	Cluster     string   // at most 63 bytes
	Members     []Member // ascending by ID, Self among them, at least two
	Fingerprint uint32   // of all that members must agree on
	Links       int

	Heartbeat    time.Duration
	SuspectAfter time.Duration
	Preempt      bool

	Inject     Inject
	ObjectsMax int           // see stateproxy.Config
	Coalesce   time.Duration // see stateproxy.Config

	Recorder trace.Recorder // nil: nobody listens
}

// Recovered is what a node knows from its former lives.
type Recovered struct {
	Epoch view.Epoch // the highest it knew of
}

// New makes a node's stack. rng must not be used by anybody else.
func New(cfg Config, from Recovered, rng *rand.Rand) (*Stack, error) {
	if len(cfg.Cluster) > nameMax {
		return nil, fmt.Errorf("stack: the cluster's name has %d bytes, more than %d", len(cfg.Cluster), nameMax)
	}
	if cfg.Inject != Continuously && cfg.Inject != AtTakeover {
		return nil, fmt.Errorf("stack: Inject is %d; it must be Continuously or AtTakeover", cfg.Inject)
	}
	s := &Stack{cfg: cfg}
	var candidates []takeover.Candidate
	var peers []view.ID
	for _, member := range cfg.Members {
		if len(member.Name) > nameMax {
			return nil, fmt.Errorf("stack: the name of %v has %d bytes, more than %d", member.ID, len(member.Name), nameMax)
		}
		candidates = append(candidates, takeover.Candidate{ID: member.ID, Priority: member.Priority})
		if member.ID == cfg.Self.ID {
			s.name = member.Name
			continue
		}
		peers = append(peers, member.ID)
		s.peers = append(s.peers, peer{id: member.ID})
	}
	recorder := trace.RecorderFunc(s.record)
	var err error
	s.takeover, err = takeover.New(takeover.Config{
		Self: cfg.Self, Members: candidates, Links: cfg.Links,
		Heartbeat: cfg.Heartbeat, SuspectAfter: cfg.SuspectAfter, Preempt: cfg.Preempt,
		Fingerprint: cfg.Fingerprint, Recorder: recorder,
	}, takeover.Recovered{Epoch: from.Epoch}, rng)
	if err != nil {
		return nil, err
	}
	s.proxy, err = stateproxy.New(stateproxy.Config{
		Self: cfg.Self, Peers: peers, Fingerprint: cfg.Fingerprint,
		ObjectsMax: cfg.ObjectsMax, Coalesce: cfg.Coalesce, KeepFormer: true, Recorder: recorder,
	}, stateproxy.Recovered{}, rng)
	if err != nil {
		return nil, err
	}
	return s, nil
}

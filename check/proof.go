package check

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// proof: a peer that is shown as proven holds exactly what the source holds, at that
// moment.
type proof struct {
	ledger    *Ledger
	staleness time.Duration
	former    bool
	heard     []hearing // by claiming node and peer
}

// hearing is the last datagram of a peer's life that was given to a node.
type hearing struct {
	life view.Incarnation
	at   time.Duration
}

// Proof judges every claim that a peer is proven. A peer that died, or restarted and was
// not heard since, may be shown as proven for at most staleness after the last datagram
// from it. If former is false a copy may hold more than its source, as long as all that
// is of a former life of the source (stateproxy.Config.KeepFormer).
func Proof(l *Ledger, staleness time.Duration, former bool) Judge {
	return &proof{ledger: l, staleness: staleness, former: former, heard: make([]hearing, l.nodes*l.nodes)}
}

// Promise names the promise.
func (j *proof) Promise() string { return "proof" }

// Hear judges a claim.
func (j *proof) Hear(f *Fact) error {
	switch f.Kind {
	case Booted:
		for i := range j.ledger.nodes {
			*j.hearing(f.Node.ID, view.ID(i+1)) = hearing{}
		}
	case Heard:
		if h := j.hearing(f.Node.ID, f.Peer.ID); f.Peer.Incarnation >= h.life {
			*h = hearing{f.Peer.Incarnation, f.At}
		}
	case Claimed:
		return j.judge(f)
	}
	return nil
}

func (j *proof) hearing(node, peer view.ID) *hearing {
	return &j.heard[(int(node)-1)*j.ledger.nodes+int(peer)-1]
}

func (j *proof) judge(f *Fact) error {
	from, holder := f.Node.ID, f.Peer.ID
	h := j.hearing(from, holder)
	if h.life == 0 {
		return fmt.Errorf("%v says that %v is proven, which it never heard of", from, holder)
	}
	if age := f.At - h.at; age > j.staleness {
		return fmt.Errorf("%v says that %v is proven, which it has not heard for %v", from, holder, age)
	}
	if j.ledger.Running(holder) != h.life {
		return nil // it died, and the source cannot know
	}
	if !j.ledger.Same(from, holder, j.former) {
		return fmt.Errorf("%v says that %v is proven, but %s", from, holder, j.ledger.difference(from, holder))
	}
	return nil
}

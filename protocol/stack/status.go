package stack

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// PeerStatus is what is known of one peer.
type PeerStatus struct {
	takeover.PeerStatus
	Name     string
	Refused  string // why it cannot be spoken with; "" if it can
	Proof    stateproxy.Proof
	Sent     stateproxy.Sent
	Received stateproxy.Received
}

// Status is what a node knows. It allocates; it is not for every step.
type Status struct {
	takeover.Status
	Owning    bool // this node is a source
	Objects   int  // in the internal cache
	Refused   uint64
	Comparing bool // the service's table is being compared with the cache
	Peers     []PeerStatus
	Dropped   [wire.ReasonCount]uint64 // frames, by reason, all channels together
}

// Status copies what the stack knows.
func (s *Stack) Status(now time.Time) Status {
	st := Status{Status: s.takeover.Status(), Owning: s.owning, Comparing: s.mirror.busy(), Dropped: s.drops}
	st.Objects, st.Refused = s.proxy.Objects()
	proxyDrops := s.proxy.Drops()
	for r := range st.Dropped {
		st.Dropped[r] += st.Status.Dropped[r] + proxyDrops[r]
	}
	for i := range s.peers {
		p := &s.peers[i]
		st.Peers = append(st.Peers, PeerStatus{
			PeerStatus: st.Status.Peers[i],
			Name:       s.memberName(p), Refused: p.refused,
			Proof: s.proxy.Proof(now, p.id), Sent: s.proxy.Sent(p.id), Received: s.proxy.Received(p.id),
		})
	}
	return st
}

// Role is what this node does now.
func (s *Stack) Role() takeover.Role { return s.takeover.Role() }

// Active is the active this node hears, itself included.
func (s *Stack) Active() view.Member { return s.takeover.Active() }

// State returns the state of an object of the internal cache, so that a service can
// complete a change that tells only a part. It is valid until the next call.
func (s *Stack) State(key []byte) ([]byte, bool) { return s.proxy.State(key) }

// Owning says whether this node is a source: only then does it mind changes.
func (s *Stack) Owning() bool { return s.owning }

// Proxy gives read access to the state proxy, for judges.
func (s *Stack) Proxy() *stateproxy.Machine { return s.proxy }

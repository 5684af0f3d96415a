// Package identity lets members that refuse each other's frames say who they are, so that
// a person can be told why.
//
// Members that do not agree on the cluster's name and the shared configuration have
// different fingerprints in their frames and drop each other's. So each member sends to
// every peer that it does not hear, once a second, the names of its cluster and of itself.
// The message is read whatever its fingerprint, changes nothing but what status shows, and
// is not answered. The format is fixed by docs/rfc/0006-identify.md.
//
// It costs one frame of at most 150 bytes a second for each peer that is not heard.
package identity

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Name is a member as the configuration names it.
type Name struct {
	ID   view.ID
	Name string
}

// Config is what a machine is told.
type Config struct {
	Self        view.ID
	Cluster     string // at most 63 bytes
	Members     []Name // Self among them; names of at most 63 bytes
	Fingerprint uint32
}

// Machine knows who is who. See the package.
type Machine struct {
	cfg   Config
	name  string
	peers []peer
	at    time.Time // when we say our names next
}

type peer struct {
	Name
	heard   time.Time // a frame with our fingerprint
	refused string
}

// New makes a machine.
func New(cfg Config) (*Machine, error) {
	m := &Machine{cfg: cfg}
	if len(cfg.Cluster) > nameMax {
		return nil, fmt.Errorf("identity: the cluster's name has %d bytes, more than %d", len(cfg.Cluster), nameMax)
	}
	for _, n := range cfg.Members {
		if len(n.Name) > nameMax {
			return nil, fmt.Errorf("identity: the name of %v has %d bytes, more than %d", n.ID, len(n.Name), nameMax)
		}
		if n.ID == cfg.Self {
			m.name = n.Name
			continue
		}
		m.peers = append(m.peers, peer{Name: n})
	}
	return m, nil
}

// Heard says that a peer's frame with this cluster's fingerprint came.
func (m *Machine) Heard(now time.Time, id view.ID) {
	if p := m.peer(id); p != nil {
		p.heard, p.refused = now, ""
	}
}

// Deadline is when Tick has something to do.
func (m *Machine) Deadline() time.Time { return m.at }

// Tick says our names to the peers that are not heard, when it is time.
func (m *Machine) Tick(now time.Time, out *wire.Outbox) {
	if now.Before(m.at) {
		return
	}
	m.at = now.Add(every)
	for i := range m.peers {
		p := &m.peers[i]
		if !p.heard.IsZero() && now.Sub(p.heard) < every {
			continue
		}
		b := out.Begin(wire.Header{Channel: wire.Identify, Fingerprint: m.cfg.Fingerprint})
		b = wire.AppendBlock(b, []byte(m.cfg.Cluster))
		b = wire.AppendBlock(b, []byte(m.name))
		out.End(p.ID, wire.AllLinks, b)
	}
}

// Receive takes what a peer says of itself: a message of channel wire.Identify. It gives
// why the peer cannot be spoken with: wire.ForeignCluster, or wire.OK if that is not so.
func (m *Machine) Receive(from view.ID, h wire.Header, payload []byte) wire.Reason {
	p := m.peer(from)
	r := wire.NewReader(payload)
	cluster, name := r.Block(nameMax), r.Block(nameMax)
	switch {
	case p == nil:
		return wire.UnknownSender
	case !r.Done():
		return wire.Malformed
	case string(cluster) != m.cfg.Cluster:
		p.refused = fmt.Sprintf("it says that it is %q of cluster %q; this is cluster %q", name, cluster, m.cfg.Cluster)
	case string(name) != p.Name.Name:
		p.refused = fmt.Sprintf("it says that it is %q; the configuration here calls it %q", name, p.Name.Name)
	case h.Fingerprint != m.cfg.Fingerprint:
		p.refused = fmt.Sprintf("%q of this cluster has another configuration; make the shared parts equal at both", name)
	default:
		p.refused = ""
		return wire.OK
	}
	return wire.ForeignCluster
}

// Refused says in words why a peer is refused; "" if it is not.
func (m *Machine) Refused(id view.ID) string {
	if p := m.peer(id); p != nil {
		return p.refused
	}
	return ""
}

func (m *Machine) peer(id view.ID) *peer {
	if i := slices.IndexFunc(m.peers, func(p peer) bool { return p.ID == id }); i >= 0 {
		return &m.peers[i]
	}
	return nil
}

package takeover

import "github.com/holdfast-ha/holdfast/protocol/view"

// Role is what this node does now.
func (m *Machine) Role() Role { return m.role }

// Epoch is the epoch in which this node acts, or else that of the active it follows;
// zero if there is none.
func (m *Machine) Epoch() view.Epoch {
	if p := m.peer(m.active.ID); p != nil && m.epoch == 0 {
		return p.said.epoch
	}
	return m.epoch
}

// Active is the active that this node hears, itself included; nobody if there is none.
func (m *Machine) Active() view.Member { return m.active }

// Hears says whether a peer is heard, and hears this node.
func (m *Machine) Hears(id view.ID) bool {
	p := m.peer(id)
	return p != nil && p.hearsUs()
}

// Status copies what the machine knows. It allocates; it is not for every step.
func (m *Machine) Status() Status {
	s := Status{
		Self: m.cfg.Self, Role: m.role, Since: m.since, Reason: m.reason,
		Epoch: m.Epoch(), Highest: m.highest, Active: m.active, Successor: m.handover.to.ID,
		Down: m.down, Synced: m.synced, Dropped: m.dropped,
		Peers: make([]PeerStatus, len(m.peers)),
	}
	links := make([]LinkStatus, len(m.peers)*m.cfg.Links)
	for i := range m.peers {
		p := &m.peers[i]
		s.Peers[i] = PeerStatus{
			Member: p.member(), Alive: p.alive, Role: p.said.role, Epoch: p.said.epoch,
			Priority: p.said.priority, Healthy: p.said.is(flagHealthy), Synced: p.said.is(flagSynced),
			HearsUs: p.hearsUs(), Proven: p.proven, Ready: p.ready(), Last: p.last,
			Links: links[:m.cfg.Links:m.cfg.Links],
		}
		links = links[m.cfg.Links:]
		for k := range s.Peers[i].Links {
			s.Peers[i].Links[k] = LinkStatus{
				Link: uint8(k + 1), Heard: p.links[k].heard, Last: p.links[k].last,
				HearsUs: p.alive && p.said.hears&(1<<k) != 0,
			}
		}
	}
	return s
}

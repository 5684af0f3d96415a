package takeover

import "github.com/holdfast-ha/holdfast/protocol/view"

// Hears says whether a peer is heard, and hears this node.
func (m *Machine) Hears(id view.ID) bool {
	p := m.peer(id)
	return p != nil && p.hearsUs()
}

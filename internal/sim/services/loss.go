package services

import "github.com/holdfast-ha/holdfast/protocol/view"

// lose is called when a member comes into a view from none. If it founds the group and has less
// than others have told, the state is lost. That may be, in memory, when no more than half of
// the members had it any more, and there is no promise from there on. If more have it, whoever
// founded a group without them was wrong: the judges hear it, and find it.
func (w *services) lose(m *member) {
	if w.tentative != nil || m.given || m.exec.Index() >= w.most || m.view.Seats[0].Member != m.Self {
		return
	}
	have := 0
	for _, other := range w.members {
		if other != m && other.Up && other.has && !other.damaged {
			have++
		}
	}
	if 2*have > len(w.members) {
		return
	}
	w.Did("founds the group without the state, which too few have had", m.Self, view.Member{})
	w.gone = true
}

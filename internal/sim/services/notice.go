package services

import (
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// unasked marks frames that are notices and no replies.
const unasked = fingerprint + 1

// notice waits until what it tells of is on enough disks.
type notice struct {
	index uint64
	to    view.ID
	body  []byte
}

// route notes to whom this member speaks for a session, as the daemon does.
func (m *member) route(from view.ID, request []byte) {
	if m.w.locks == nil {
		return
	}
	if r, why := session.ParseRequest(request); why == wire.OK && r.Session != 0 {
		m.routes[r.Session] = replica.Client(from)
	}
}

// notify passes on what the service tells its clients, when it may be told: what the driver does.
func (m *member) notify() {
	if m.w.locks == nil {
		return
	}
	if m.replica.Machine().View() == nil {
		m.notices = nil // clients ask again where the service goes on
		m.state.tell(func(session.ID, []byte) {})
		return
	}
	index, stable := m.exec.Index(), m.replica.Stable()
	m.state.tell(func(to session.ID, body []byte) {
		if client, here := m.routes[to]; here {
			m.notices = append(m.notices, notice{index, view.ID(client), body})
		}
	})
	for len(m.notices) > 0 && m.notices[0].index <= stable {
		b := m.frames.Begin(wire.Header{Channel: wire.Call, Fingerprint: unasked})
		m.frames.End(m.notices[0].to, 1, append(b, m.notices[0].body...))
		m.notices = m.notices[1:]
	}
}

package detect

import (
	"math"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Trusts says whether this very life is the present one, was heard, and is not suspected.
// A member trusts itself.
func (m *Machine) Trusts(member view.Member) bool {
	if member == m.cfg.Self {
		return true
	}
	p := m.peer(member.ID)
	return p != nil && p.trusted() && p.life == member.Incarnation
}

// Life is the present life of a peer, zero if none was heard yet, and whether it is
// suspected.
func (m *Machine) Life(id view.ID) (life view.Incarnation, suspected bool) {
	if p := m.peer(id); p != nil {
		return p.life, p.suspected
	}
	return 0, false
}

// Level is φ for the present silence of a peer: -log10 of the probability that it is only
// late. It is zero for who was never heard or is no peer.
func (m *Machine) Level(now time.Time, id view.ID) float64 {
	if p := m.peer(id); p != nil && p.life != 0 {
		ran, _ := m.clock.at(now, m.due, m.cfg.SuspectAfter/pausePart)
		return m.level(p, ran)
	}
	return 0
}

func (m *Machine) level(p *peer, at time.Duration) float64 {
	mean, deviation := p.normal(m.cfg.Heartbeat)
	silence := float64(at-p.last) / float64(time.Microsecond)
	return min(phi(silence, mean, deviation), math.MaxUint32)
}

// Silence is how long nothing was heard from a peer, in time in which this process was
// run; zero if it was never heard.
func (m *Machine) Silence(now time.Time, id view.ID) time.Duration {
	if p := m.peer(id); p != nil && p.life != 0 {
		ran, _ := m.clock.at(now, m.due, m.cfg.SuspectAfter/pausePart)
		return ran - p.last
	}
	return 0
}

// Patience is the silence after which a peer is suspected at present: SuspectAfter to
// twice that. Zero for who was never heard.
func (m *Machine) Patience(id view.ID) time.Duration {
	if p := m.peer(id); p != nil {
		return p.patience
	}
	return 0
}

// LinkHeard says whether a peer is heard over a link.
func (m *Machine) LinkHeard(id view.ID, linkNumber uint8) bool {
	p := m.peer(id)
	return p != nil && linkNumber > 0 && int(linkNumber) <= m.cfg.Links && p.links[linkNumber-1].heard
}

// LinkHears says whether a trusted peer says that it hears this member over a link. That
// LinkHeard holds and this does not, for longer than a heartbeat, is a link cut one way.
func (m *Machine) LinkHears(id view.ID, linkNumber uint8) bool {
	p := m.peer(id)
	return p != nil && p.trusted() && linkNumber > 0 && int(linkNumber) <= m.cfg.Links && p.hears&(1<<(linkNumber-1)) != 0
}

// Flaps is how many wrong suspicions of a peer are remembered, decaying.
func (m *Machine) Flaps(id view.ID) float64 {
	if p := m.peer(id); p != nil {
		return p.recent(m.clock.ran)
	}
	return 0
}

// Dropped is how many frames were dropped for a reason.
func (m *Machine) Dropped(why wire.Reason) uint64 {
	if int(why) < len(m.dropped) {
		return m.dropped[why]
	}
	return 0
}

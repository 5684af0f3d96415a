package duo

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// door lets no life of the other server in that is configured otherwise. Two servers of which each believes that it is
// the one to go on alone would both serve; one whose settings of the service are others cannot take the state.
//
// Nothing of a life is listened to before its terms are known to be this member's. A member that is new, and hears other terms, does nothing
// for as long as it hears them: the other may serve. One that has served, or has been one of two, takes the other for crashed.
type door struct {
	agreed  view.Incarnation // the life of the other that has the same terms; 0: none
	met     view.Incarnation // the life whose terms were heard last
	theirs  string           // these, if they differ
	settled bool             // this member has served, or agreed with a life of the other
	shut    time.Time        // until then it does nothing
	next    time.Time        // when it may tell its terms again
}

// greeting is how a member tells its terms.
type greeting struct {
	heard view.Incarnation // the life of the receiver whose terms were heard; 0: none
	terms []byte
}

func (g *greeting) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, kindTerms), uint64(g.heard))
	return append(b, g.terms...)
}

func parseGreeting(b []byte) (greeting, bool) {
	r := wire.NewReader(b)
	kind := r.U8()
	g := greeting{heard: view.Incarnation(r.U64()), terms: r.Bytes(r.Len())}
	return g, r.Done() && kind == kindTerms && len(g.terms) > 0 && len(g.terms) <= termsMax
}

// introduce tells the other this member's terms.
func (m *Member) introduce(now time.Time) {
	m.door.next = now.Add(m.cfg.Heartbeat)
	g := greeting{m.door.met, []byte(m.cfg.Terms)}
	m.box.End(m.cfg.Peer, wire.AllLinks, g.append(m.open()))
}

// greeted takes the other's terms. It tells its own to a life that has not heard them.
func (m *Member) greeted(now time.Time, from view.Member, payload []byte) {
	g, ok := parseGreeting(payload)
	switch {
	case !ok:
		m.drop(now, from.ID, wire.Malformed)
		return
	case from.ID != m.cfg.Peer:
		m.drop(now, from.ID, wire.UnknownSender)
		return
	case m.cfg.Terms == "":
		return
	}
	d := &m.door
	d.met = from.Incarnation
	if string(g.terms) == m.cfg.Terms {
		d.agreed, d.theirs, d.settled, d.shut = from.Incarnation, "", true, time.Time{}
	} else {
		m.differ(now, from, string(g.terms))
	}
	if g.heard != m.cfg.Self.Incarnation || d.theirs != "" && !now.Before(d.next) {
		m.introduce(now)
	}
}

// differ notes that a life of the other has other terms.
func (m *Member) differ(now time.Time, from view.Member, theirs string) {
	m.door.met, m.door.agreed, m.door.theirs = from.Incarnation, 0, theirs
	m.keepShut(now)
}

// stranger says whether a frame is of a life of the other that was not let in.
func (m *Member) stranger(now time.Time, from view.Member) bool {
	d := &m.door
	if m.cfg.Terms == "" || from.ID != m.cfg.Peer || from.Incarnation == d.agreed {
		return false
	}
	if d.theirs != "" && from.Incarnation == d.met {
		m.keepShut(now)
	}
	if !now.Before(d.next) {
		m.introduce(now)
	}
	return true
}

// keepShut keeps a new member from doing anything while another with other terms is heard.
func (m *Member) keepShut(now time.Time) {
	if !m.door.settled {
		m.door.shut = now.Add(shutSuspects * m.cfg.SuspectAfter)
	}
}

// settle notes that this member serves: from then on it does not wait for others.
func (m *Member) settle() {
	m.door.settled = m.door.settled || m.style.server() == m.cfg.Self.ID
}

// isShut says whether this member is to do nothing. It goes on telling its terms then, so that the other is kept as well.
func (m *Member) isShut(now time.Time) bool {
	d := &m.door
	if d.shut.IsZero() {
		return false
	}
	if now.Before(d.shut) {
		if !now.Before(d.next) {
			m.introduce(now)
		}
		return true
	}
	d.shut = time.Time{} // the other is gone
	return false
}

// Refused are the terms of the other server, if it is there and they are not this member's; "" if not.
func (m *Member) Refused() string { return m.door.theirs }

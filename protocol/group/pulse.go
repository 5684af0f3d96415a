package group

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// pulse is how a member says where it stands, to all candidates. It is the asking of one
// that is outside and the farewell of one that leaves.
type pulse struct {
	serial    uint64 // of this life's pulses: a late one says nothing any more
	state     State
	name      view.Name  // of its view; outside: its floor
	ended     view.Epoch // the group ended with a view of this epoch
	frozen    bool
	accuses   uint32     // candidates that it does not trust, by their index
	oldTerms  bool       // its terms are not ours
	fence     view.Epoch // of a durable group: it takes nothing of an earlier era; inside: the view's era
	remembers bool       // outside of a durable group: its disk is neither new nor lost
}

// fresh says whether a process outside knows of no view that may still go on, so that it
// may found the group.
func (p *pulse) fresh() bool { return p.state == Asking && p.name.Epoch <= p.ended }

func (m *Machine) ownPulse() pulse {
	p := pulse{state: m.state, name: m.floor, ended: m.ended, frozen: m.frozen, fence: m.fence}
	p.remembers = m.stands && m.standing.Promise != 0
	if m.current != nil {
		p.name, p.fence = m.current.Name, m.era
	}
	if m.rests() {
		p.state = Idle
	}
	for i := range m.peers {
		if !m.peers[i].trusted {
			p.accuses |= 1 << i
		}
	}
	return p
}

func (m *Machine) sendPulse(now time.Time, out *Output) {
	m.hurry, m.pulseAt = false, now.Add(m.cfg.Pulse)
	if len(m.others) == 0 {
		return
	}
	p := m.ownPulse()
	b := m.begin(verbPulse, out)
	m.serial++
	b = binary.AppendUvarint(b, m.serial)
	b = append(b, byte(p.state), byte(bit(p.frozen)))
	b = appendName(b, p.name)
	b = binary.AppendUvarint(b, uint64(p.ended))
	b = binary.BigEndian.AppendUint32(b, p.accuses)
	b = wire.AppendBlock(b, []byte(m.cfg.Terms))
	if m.cfg.Durable {
		b = append(binary.AppendUvarint(b, uint64(p.fence)), byte(bit(p.remembers)))
	}
	out.EndAll(m.others, b)
}

func (m *Machine) readPulse(now time.Time, from int, r *wire.Reader, out *Output) bool {
	var p pulse
	p.serial = r.Uvarint()
	p.state = State(r.U8())
	frozen := r.U8()
	p.frozen = frozen == 1
	p.name = readName(r)
	p.ended = view.Epoch(r.Uvarint())
	p.accuses = r.U32()
	terms := r.Block(termsMax)
	if m.cfg.Durable && r.Len() > 0 { // who has other terms says nothing of it
		p.fence = view.Epoch(r.Uvarint())
		p.remembers = r.U8() == 1
	}
	if !r.Done() || frozen > 1 || p.state > Leaving {
		return false
	}
	p.oldTerms = string(terms) != m.cfg.Terms
	q := &m.peers[from]
	if q.heard && p.serial <= q.pulse.serial {
		m.drop(now, q.seat.ID, wire.Stale)
		return true
	}
	if p.accuses != q.accuses || !q.heard {
		q.accuses, q.since = p.accuses, now
	}
	q.pulse, q.pulsed, q.heard = p, now, true
	if p.oldTerms && q.terms != string(terms) {
		q.terms = string(terms)
	}
	m.ended = max(m.ended, p.ended)
	if p.oldTerms {
		if p.state == Asking {
			m.refuse(now, from, out)
		}
		return true
	}
	m.answer(now, from, &p, out)
	return true
}

// refuse tells one that asks under other terms what the terms are.
func (m *Machine) refuse(now time.Time, to int, out *Output) {
	m.record(now, trace.JoinRefused, m.peers[to].seat.ID, 1, 0, 0)
	m.end(to, wire.AppendBlock(m.begin(verbRefuse, out), []byte(m.cfg.Terms)), out)
}

func (m *Machine) onRefuse(now time.Time, from int, terms []byte, out *Output) {
	if m.state != Asking {
		return
	}
	m.record(now, trace.JoinRefused, m.peers[from].seat.ID, 1, 0, 0)
	out.Do = append(out.Do, Command{Verb: Refuse, Peer: m.peers[from].seat.ID, Text: string(terms)})
}

// answer tells a candidate what it seems to have missed.
func (m *Machine) answer(now time.Time, from int, p *pulse, out *Output) {
	q := &m.peers[from]
	inside := m.current != nil && m.current.Has(q.life)
	switch {
	case m.cfg.Durable && m.current != nil && p.state == Asking && p.fence > m.era:
		// It has promised a later founding, which may have come about and may have been
		// answered for. From the disks of more than half it is found out.
		m.dismiss(now, WasExpelled, nil, false, out)
	case p.state == Asking && inside:
		if p.name.Epoch < m.current.Name.Epoch {
			m.sendCommit(from, out) // it was let in and has not heard
		} else {
			q.apart = true // it knows, and is out
		}
	case p.state == Idle && inside:
		q.apart = true // it left, and the commit that let it go is lost on us
	case p.state != In && p.state != Leaving:
	case inside && p.name == m.current.Name && !m.cfg.All:
		q.apart = false // what said so was late: nobody comes into a view a second time
	case inside && m.current.Name.Less(p.name):
		q.apart = true // it has gone on, with or without us; its commit will come
	default:
		m.enlighten(from, p.name, out) // it may be the only one left who can go on, and not know
	}
}

// enlighten tells one that takes a view for the present one how the latest came about that
// is known here, if its own is over by that.
func (m *Machine) enlighten(to int, of view.Name, out *Output) {
	if m.lastWay != nil && m.lastWay.ends(of, m.cfg.All) {
		m.sendCommit(to, out)
	}
}

func (m *Machine) sendCommit(to int, out *Output) {
	m.end(to, appendOutcome(m.begin(verbCommit, out), m.lastWay), out)
}

// readApart reads that the sender will not come into our view.
func (m *Machine) readApart(now time.Time, from int, r *wire.Reader) bool {
	name, floor, in := readName(r), readName(r), r.U8()
	if !r.Done() || in > 1 {
		return false
	}
	if in == 0 {
		m.peers[from].outside, m.peers[from].outsideAt = floor, now
	}
	if m.current != nil && m.current.Name == name {
		m.peers[from].apart = true
	}
	return true
}

// dismiss takes this member out of its view, if it is in one.
func (m *Machine) dismiss(now time.Time, why Reason, cut view.Cut, whole bool, out *Output) {
	left := m.state == Leaving || why == HasLeft
	if m.current != nil {
		if m.donor == view.Nobody {
			m.lived = m.current.Name
		}
	}
	m.reset(nil)
	m.stands, m.era = false, 0
	m.state, m.asked, m.hurry = Asking, now, true
	if left {
		m.state, why = Idle, HasLeft
		m.record(now, trace.Departed, view.Nobody, uint64(m.floor.Epoch), 0, 0)
		m.sendPulse(now, out) // goodbye
	} else {
		m.record(now, trace.Expelled, view.Nobody, uint64(m.floor.Epoch), 0, 0)
	}
	out.Do = append(out.Do, Command{Verb: Dismiss, Reason: why, Cut: cut, Whole: whole})
}

// recent says whether a candidate's last pulse still counts.
func (m *Machine) recent(now time.Time, i int) bool {
	p := &m.peers[i]
	return p.heard && p.trusted && now.Sub(p.pulsed) < forgetPulses*m.cfg.Pulse
}

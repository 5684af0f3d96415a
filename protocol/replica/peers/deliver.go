package peers

import (
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Delivered takes a message of a member in the agreed order.
func (m *Machine) Delivered(now time.Time, from view.Member, payload []byte, out *Output) {
	msg, ok := read(payload)
	if !ok {
		return
	}
	call, sent := uint64(0), time.Time{}
	if from == m.cfg.Self && len(m.underway) > 0 && m.underway[0].serial == msg.serial { // else it is of a former stay in the group
		call, sent = m.underway[0].call, m.underway[0].sent
		m.underway = slices.Delete(m.underway, 0, 1)
	}
	if m.service == nil {
		if msg.kind == kindFound {
			m.found(now, &msg)
			m.attend(now, out)
		}
		return
	}
	m.index++
	m.execute(now, from, &msg, call, !sent.IsZero(), out)
	if m.own != 0 && !sent.IsZero() && msg.session == m.own {
		if canary == CountsDelivery {
			sent = now
		}
		m.renewed = sent
		out.Renewed, out.Lease = sent, m.lease
	}
	if m.service != nil {
		m.notify(out)
		m.clock.Set(now, m.at)
	}
}

// found begins a state that has nothing.
func (m *Machine) found(now time.Time, msg *message) {
	m.floor, m.lease, m.next, m.index = msg.number, msg.lease, session.ID(msg.number), 0
	m.service, m.seats, m.opened, m.heard, m.at = m.cfg.New(m.floor, m.lease), m.seats[:0], false, 0, 0
	m.openAt = now.Add(m.lease)
	if canary == OpensAtOnce {
		m.openAt = now
	}
	m.clock.Set(now, 0)
}

// execute does what a message says; own says that this member has sent it in its present stay.
func (m *Machine) execute(now time.Time, from view.Member, msg *message, call uint64, own bool, out *Output) {
	switch msg.kind {
	case kindOpen:
		m.asking = m.asking && !own
		if msg.number == m.floor {
			m.open(now, from, msg, own, out)
		}
		if own {
			m.attend(now, out)
		}
	case kindOpened:
		if msg.number == m.floor && !m.opened {
			m.grant()
		}
	case kindOver:
		if i := m.find(msg.session); i >= 0 && m.seats[i].gone {
			m.end(msg.session)
		}
	case kindClose:
		if m.live(from, msg.session) {
			m.end(msg.session)
		}
		if own && msg.session == m.own {
			m.own = 0
			m.finish(out)
		}
	case kindCall:
		if canary == AsksFirst && from == m.cfg.Self {
			return
		}
		m.call(from, msg, call, out)
	}
}

// open begins a session. Those that the same life had are over: it believes in nothing of them.
func (m *Machine) open(now time.Time, from view.Member, msg *message, own bool, out *Output) {
	for i := len(m.seats) - 1; i >= 0; i-- {
		if m.seats[i].member == from {
			m.end(m.seats[i].id)
		}
	}
	m.next++
	m.seats = append(m.seats, seat{id: m.next, member: from})
	all := uint64(0)
	for i := range m.cfg.Seats {
		if s := &m.cfg.Seats[i]; !s.Witness {
			all |= 1 << i
			if s.ID == from.ID {
				m.heard |= 1 << i
			}
		}
	}
	if own {
		m.own = m.next
		msg.session = m.own // it renews the session that it has begun
		out.Events = append(out.Events, SessionBegan)
		if m.closing {
			m.send(now, 0, appendID(m.begin(out, kindClose), m.own), out)
		}
		for _, a := range m.waiting {
			m.ask(now, a.call, a.body, out)
		}
		m.waiting = nil
	}
	if !m.opened && m.heard == all {
		m.grant()
	}
}

// grant lets the service grant.
func (m *Machine) grant() {
	m.opened = true
	m.at = max(m.at, m.service.Next())
	m.service.Passed(m.at)
}

// call lets the service execute a call.
func (m *Machine) call(from view.Member, msg *message, call uint64, out *Output) {
	if !m.live(from, msg.session) {
		if call != 0 {
			out.Results = append(out.Results, Result{Call: call, Cause: Ended})
		}
		return
	}
	at := msg.at
	if !m.opened {
		at = min(at, m.service.Next()-1)
	}
	m.at = max(m.at, at)
	c := session.Command{At: m.at, Session: msg.session, Body: msg.body}
	from0 := len(out.replies)
	out.replies = m.service.Apply(c, out.replies)
	if call == 0 {
		out.replies = out.replies[:from0]
		return
	}
	out.Results = append(out.Results, Result{Call: call, Body: out.replies[from0:len(out.replies):len(out.replies)]})
}

// live says whether a session is a member's, and that has not gone.
func (m *Machine) live(from view.Member, id session.ID) bool {
	i := m.find(id)
	return i >= 0 && m.seats[i].member == from && !m.seats[i].gone
}

func (m *Machine) find(id session.ID) int {
	i, is := slices.BinarySearchFunc(m.seats, id, func(s seat, id session.ID) int {
		switch {
		case s.id < id:
			return -1
		case s.id > id:
			return 1
		}
		return 0
	})
	if !is {
		return -1
	}
	return i
}

// end ends a session.
func (m *Machine) end(id session.ID) {
	if i := m.find(id); i >= 0 {
		m.seats = slices.Delete(m.seats, i, i+1)
		m.service.Ended(m.at, id)
	}
}

// notify takes what the service says unasked, and keeps what is for this member.
func (m *Machine) notify(out *Output) {
	m.told = out
	m.service.Notify(m.tell)
	m.told = nil
}

// note keeps one thing that the service says.
func (m *Machine) note(to session.ID, body []byte) {
	if to == m.own && to != 0 {
		m.told.notice(body)
	}
}

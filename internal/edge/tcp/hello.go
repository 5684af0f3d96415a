package tcp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// helloVersion is the version of the stream, docs/rfc/0011-stream.md.
const helloVersion = 1

// appendHello appends the body of a hello.
func appendHello(dst []byte, cluster string) []byte {
	dst = append(dst, helloVersion, byte(len(cluster)))
	return append(dst, cluster...)
}

// judgeHello reads the body of a hello and compares it with this cluster's.
func judgeHello(b []byte, cluster string) wire.Reason {
	r := wire.NewReader(b)
	version := r.U8()
	if !r.Failed() && version != helloVersion {
		return wire.WrongVersion
	}
	name := r.Bytes(int(r.U8()))
	switch {
	case !r.Done():
		return wire.Malformed
	case string(name) != cluster:
		return wire.ForeignCluster
	}
	return wire.OK
}

// makeUnit makes a unit in the work space.
func (t *Transport) makeUnit(scope seal.Scope, number uint8, to view.ID, frame []byte) []byte {
	unit := t.seal.Append(t.unit[:lengthSize], scope, number, to, frame)
	binary.BigEndian.PutUint16(unit, uint16(len(unit)-lengthSize))
	return unit
}

// greet sends this member's hello over a stream.
func (t *Transport) greet(s *stream, to view.ID) {
	var room [2 + clusterMax]byte
	hello := appendHello(room[:0], t.cluster)
	if t.seal.Check(hello) != nil {
		s.end(wire.OK, 0)
		return
	}
	s.push(t.makeUnit(seal.Hello, uint8(s.port.at+1), to, hello))
	s.flush()
}

// show sends our hello to a member that has connected and whose own could not be opened: it
// cannot open ours, and so finds out, too, that the keys differ. Who is not at the address of
// the member that it names learns nothing.
func (t *Transport) show(s *stream, h *seal.Header, reason wire.Reason) {
	if reason != wire.Unsealed && reason != wire.UnknownKey && reason != wire.ForgedSeal || s.peer != nil || h.Scope != seal.Hello {
		return
	}
	m := t.peers[h.From.ID]
	if m != nil && m.id < t.Self().ID && isOf(m, s.port.at, s.source.Addr()) {
		t.greet(s, m.id)
	}
}

// refuse tells a member why it is not listened to, and ends its stream.
func (t *Transport) refuse(s *stream, from view.Member, reason wire.Reason, other netip.AddrPort) wire.Reason {
	var room [64]byte
	notice := link.AppendNotice(room[:0], reason, from.Incarnation, other)
	if t.seal.Check(notice) == nil {
		s.push(t.makeUnit(seal.Notice, uint8(s.port.at+1), from.ID, notice))
		s.flush()
	}
	return reason
}

// hello judges the first unit of a stream. If it is good the stream is up.
func (t *Transport) hello(s *stream, h *seal.Header, b []byte, now time.Time) wire.Reason {
	p := s.port
	m := t.peers[h.From.ID]
	if m == nil || m.ways[p.at].Size == 0 || s.peer != nil && s.peer != m {
		return wire.UnknownSender
	}
	if h.Scope != seal.Hello && h.Scope != seal.Notice {
		return wire.Malformed
	}
	if s.peer == nil && m.id > t.Self().ID {
		return wire.WrongDestination // we connect to it
	}
	body, reason := t.seal.Open(&m.Peer, h, p.at, b)
	if reason != wire.OK {
		return reason
	}
	if h.Scope == seal.Notice {
		return t.noticed(h.From, body, now)
	}
	switch reason := judgeHello(body, t.cluster); reason {
	case wire.OK:
	case wire.ForeignCluster:
		return t.refuse(s, h.From, reason, netip.AddrPort{})
	default:
		return reason
	}
	w := &m.ways[p.at]
	if m.Later(h) {
		if other, twin := t.twin(m, w, s.source, now); twin {
			p.twin, p.twinFrom, p.twinAt = h.From, s.source, now
			return t.refuse(s, h.From, wire.Twin, other)
		}
	}
	m.Take(h, p.at)
	t.welcome(s, m, h.From, now)
	return wire.OK
}

// twin says whether a later life of a member, from an address, must be a second process
// under its name, and where the first one is.
func (t *Transport) twin(m *peer, w *way, source netip.AddrPort, now time.Time) (netip.AddrPort, bool) {
	if m.Life().Incarnation == 0 || now.Sub(m.heard) >= twinMax {
		return netip.AddrPort{}, false
	}
	known := w.source
	if !known.IsValid() {
		known = w.at
	}
	return known, known.Addr().WithZone("") != source.Addr().WithZone("")
}

// welcome brings a stream up.
func (t *Transport) welcome(s *stream, m *peer, life view.Member, now time.Time) {
	p := s.port
	w := &m.ways[p.at]
	accepted := s.peer == nil
	s.peer, s.life, s.stage = m, life, up
	if w.stream != nil && w.stream != s {
		w.stream.end(wire.OK, 0) // the other has begun anew, so it has given this one up
	}
	w.stream, w.source, w.upAt = s, s.source, now
	m.heard = now
	p.strangers = slices.DeleteFunc(p.strangers, func(o *stream) bool { return o == s })
	p.changed = true
	if accepted {
		t.greet(s, m.id)
	}
}

// noticed reads a refusal of this member.
func (t *Transport) noticed(from view.Member, body []byte, now time.Time) wire.Reason {
	reason, refused, other, ok := link.ParseNotice(body)
	if !ok {
		return wire.Malformed
	}
	if refused != t.Self().Incarnation {
		return wire.WrongDestination
	}
	t.refusal = link.Refusal{Reason: reason, From: from, At: now, Other: other}
	return reason
}

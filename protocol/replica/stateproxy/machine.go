package stateproxy

import (
	"bytes"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Machine is one proxy. Its methods neither block nor fail; none may be called while
// another runs.
type Machine struct {
	cfg   Config
	own   cache // the internal cache
	peers []*peer
	drops [wire.ReasonCount]uint64
	full  uint64 // objects refused because the internal cache was full

	partial bool // the internal cache is being filled: no resync may end yet
}

// peer is everything about one peer: what we tell it and what it told us.
type peer struct {
	id     view.ID
	life   view.Incarnation
	silent bool // somebody who knows better says so
	sender
	receiver receiver
}

func (m *Machine) peer(id view.ID) *peer {
	for _, p := range m.peers {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (m *Machine) header() wire.Header {
	return wire.Header{Channel: wire.StateProxy, Fingerprint: m.cfg.Fingerprint}
}

// Start greets the peers.
func (m *Machine) Start(now time.Time, out *Output) {
	for _, p := range m.peers {
		m.greet(now, p, helloAsk, out)
	}
}

// Put notes an object's state in the internal cache: a New or an Update. The peers are
// told at a later Tick. It reports false if the object is not replicated: the cache is
// full, or key or state are too long or the key is empty.
func (m *Machine) Put(now time.Time, key, state []byte) bool {
	if len(key) == 0 || len(key) > KeyMax || len(state) > StateMax {
		m.full++
		m.record(now, trace.Refused, view.Nobody, uint64(len(key)), uint64(len(state)), 0)
		return false
	}
	s := m.own.find(key)
	keep := 0
	if (s == 0 || m.own.at(s).dead && canary != NoRoom) && m.own.live >= m.cfg.ObjectsMax {
		m.full++
		m.overflow(now, view.Nobody, OwnObjects, uint64(m.own.live))
		return false
	}
	switch {
	case s == 0:
		m.boundTombstones(now)
		s = m.own.insert(key, state)
	case m.own.at(s).dead:
		keep = commonPrefix(m.own.stateOf(s), state)
		m.own.revive(s)
		m.own.setState(s, state)
	default:
		old := m.own.stateOf(s)
		if bytes.Equal(old, state) {
			return true
		}
		keep = commonPrefix(old, state)
		m.own.setState(s, state)
	}
	for _, p := range m.peers {
		p.changed(now, s, keep)
	}
	return true
}

// Delete notes that an object is gone: a Destroy, which may wait.
func (m *Machine) Delete(now time.Time, key []byte) {
	s := m.own.find(key)
	if s == 0 || m.own.at(s).dead {
		return
	}
	m.own.bury(s)
	for _, p := range m.peers {
		p.destroyed(now, s)
	}
	m.release(s)
}

// Clear empties the internal cache: the service does not keep these objects any more,
// another member does. The peers remove them.
func (m *Machine) Clear(now time.Time) {
	m.partial = false
	if m.own.used() == 0 {
		return
	}
	told := make([]bool, len(m.peers))
	for i, p := range m.peers {
		told[i] = p.live
		p.drop(m)
		p.marks = nil
	}
	m.own = newCache(m.own.seed)
	for i, p := range m.peers {
		if told[i] {
			p.resync(now, m)
		}
	}
}

// Begin says that the internal cache is about to be filled anew, from the service's
// whole table. The peers keep what they have until [Machine.Whole]: only then are they
// told that what was not announced is gone.
func (m *Machine) Begin(now time.Time) {
	m.partial = true
	for _, p := range m.peers {
		if p.live {
			p.resync(now, m)
		}
	}
}

// Whole says that the internal cache holds all the service has.
func (m *Machine) Whole() { m.partial = false }

// Resync tells one peer everything again. One that is away will be, when it is heard.
func (m *Machine) Resync(now time.Time, id view.ID) {
	if p := m.peer(id); p != nil && p.live {
		p.resync(now, m)
	}
}

// Away says that a peer is known to be silent: nothing is queued for it until [Machine.Near],
// not even if something of it still comes. What it tells is taken all the same.
func (m *Machine) Away(now time.Time, id view.ID) {
	if p := m.peer(id); p != nil {
		p.silent = true
		if p.live {
			m.away(now, p)
		}
	}
}

// Near takes that back: when the peer is heard again it is told everything.
func (m *Machine) Near(id view.ID) {
	if p := m.peer(id); p != nil {
		p.silent = false
	}
}

func (m *Machine) away(now time.Time, p *peer) {
	p.drop(m)
	p.proof = Proof{State: Away, At: p.heard}
	p.helloAt = now
	m.record(now, trace.PeerAway, p.id, 0, 0, 0)
}

// Adopt makes objects of a peer's external cache our own unless we have them already:
// after a takeover they are this node's to replicate. It goes through the cache from
// the given cursor, 0 at first, looks at up to most objects, and returns the next
// cursor, 0 at the end.
func (m *Machine) Adopt(now time.Time, id view.ID, cursor uint32, most int) uint32 {
	return m.Held(id, cursor, most, func(key, state []byte) {
		if s := m.own.find(key); s == 0 || m.own.at(s).dead {
			m.Put(now, key, state)
		}
	})
}

// Held calls fn with objects of a peer's external cache, from the given cursor, 0 at
// first, looking at up to most places. It returns the next cursor, 0 at the end. Key
// and state are valid during the call.
func (m *Machine) Held(id view.ID, cursor uint32, most int, fn func(key, state []byte)) uint32 {
	p := m.peer(id)
	if p == nil {
		return 0
	}
	return p.receiver.cache.walk(cursor, most, fn)
}

// Own does the same for the internal cache.
func (m *Machine) Own(cursor uint32, most int, fn func(key, state []byte)) uint32 {
	return m.own.walk(cursor, most, fn)
}

// walk calls fn for the live objects from a cursor on.
func (c *cache) walk(cursor uint32, most int, fn func(key, state []byte)) uint32 {
	for s := max(cursor, 1); s <= c.top; s++ {
		if most--; most < 0 {
			return s
		}
		if c.taken(s) && !c.at(s).dead {
			body, n := c.body(s), c.at(s).key
			fn(body[:n:n], body[n:])
		}
	}
	return 0
}

// State returns the state of an object of the internal cache; it is valid until the
// next call. ok is false if there is no such object.
func (m *Machine) State(key []byte) (state []byte, ok bool) {
	s := m.own.find(key)
	if s == 0 || m.own.at(s).dead {
		return nil, false
	}
	return m.own.stateOf(s), true
}

// HeldState does the same for a peer's external cache.
func (m *Machine) HeldState(id view.ID, key []byte) (state []byte, ok bool) {
	p := m.peer(id)
	if p == nil {
		return nil, false
	}
	s := p.receiver.cache.find(key)
	if s == 0 {
		return nil, false
	}
	return p.receiver.cache.stateOf(s), true
}

// release frees a tombstone that no peer must be told of any more.
func (m *Machine) release(s slot) {
	if !m.own.taken(s) || !m.own.at(s).dead {
		return
	}
	for _, p := range m.peers {
		if p.owes(s) {
			return
		}
	}
	for _, p := range m.peers {
		p.forget(s)
	}
	m.own.remove(s)
}

// boundTombstones gives up the tombstones when they are as many as the objects that
// are allowed: the peers that keep them are told everything again instead.
func (m *Machine) boundTombstones(now time.Time) {
	if dead := m.own.used() - m.own.live; dead >= m.cfg.ObjectsMax {
		m.overflow(now, view.Nobody, Tombstones, uint64(dead))
		for _, p := range m.peers {
			if p.live {
				p.resync(now, m)
			}
		}
	}
}

func (m *Machine) record(now time.Time, k trace.Kind, peer view.ID, a, b, c uint64) {
	if m.cfg.Recorder != nil {
		m.cfg.Recorder.Record(trace.Event{At: now, Node: m.cfg.Self.ID, Peer: peer, Kind: k, A: a, B: b, C: c})
	}
}

func (m *Machine) overflow(now time.Time, peer view.ID, b Bound, value uint64) {
	m.record(now, trace.Overflow, peer, uint64(b), value, 0)
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

package stateproxy

import "github.com/holdfast-ha/holdfast/protocol/view"

// Usage is how much of its bounds a machine takes, towards one peer.
type Usage struct {
	Objects     int // in the internal cache; at most Config.ObjectsMax
	Tombstones  int // in the internal cache: destroyed, and a peer has not confirmed it; with Objects at most twice ObjectsMax
	Held        int // in the peer's external cache; at most twice ObjectsMax
	Unconfirmed int // messages; at most Config.ResendMax
	Queued      int // changes and Destroys that were not sent yet
	Gaps        int // separate runs of numbers received beyond a gap; at most 512
	Bytes       int // of memory, for the whole machine and all peers: caches, queues, checkpoints
}

// Usage says how much is used. For a peer that is not configured it is zero.
func (m *Machine) Usage(id view.ID) Usage {
	p := m.peer(id)
	if p == nil {
		return Usage{}
	}
	return Usage{
		Objects: m.own.live, Tombstones: m.own.used() - m.own.live,
		Held: p.receiver.cache.live, Unconfirmed: p.inflight.n,
		Queued: p.urgent.n + p.lazy.n + p.resend.n,
		Gaps:   len(p.receiver.gaps.spans),
		Bytes:  m.bytes(),
	}
}

// The sizes of what there is one of for each object, in bytes.
const (
	objectBytes     = 96
	entryBytes      = 8
	slotBytes       = 4
	markBytes       = 32
	heldBytes       = 8
	bindingBytes    = 24
	checkpointBytes = 48
	spillBytes      = 64 // of the map's own, for each long body
)

func (m *Machine) bytes() int {
	n := m.own.bytes()
	for _, p := range m.peers {
		s, r := &p.sender, &p.receiver
		n += len(s.marks)*chunkSize*markBytes + len(s.checkpoints)*checkpointBytes
		n += (len(s.resend.ring) + len(s.urgent.ring) + len(s.lazy.ring)) * slotBytes
		n += r.cache.bytes() + len(r.held)*chunkSize*heldBytes + cap(r.bindings)*bindingBytes
	}
	return n
}

func (c *cache) bytes() int {
	return len(c.chunks)*chunkSize*objectBytes + len(c.index.table)*entryBytes + cap(c.free)*slotBytes +
		c.spilled + len(c.spill)*spillBytes
}

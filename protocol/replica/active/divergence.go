package active

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

const (
	// headsKept is of how many commands the beginnings are kept, to name the one after
	// which replicas differ.
	headsKept = ringMax

	// headMax is how much of a request is kept, bytes: its name and first argument.
	headMax = 48
)

// head is the beginning of a request.
type head struct {
	index uint64
	size  int
	data  [headMax]byte
}

// dispute is the telling of digests after two differed.
type dispute struct {
	open    bool
	doubted bool   // this member has said so in this view
	last    uint64 // the index as of which all tell
	rings   []ring // what was told, by rank in the view
}

type ring struct {
	told    bool
	digests []uint64 // the last of them is that of dispute.last
}

func (m *Machine) remember(index uint64, request []byte) {
	h := &m.heads[index%headsKept]
	h.index, h.size = index, copy(h.data[:], request)
}

// hold compares the digest that comes with a message to this member's own.
func (m *Machine) hold(now time.Time, from view.Member, msg *message, out *Output) {
	if from == m.cfg.Self || m.dispute.open || m.dispute.doubted {
		return
	}
	own, known := m.exec.At(msg.index)
	if !known || own == msg.digest || canary == BelievesDigests {
		return
	}
	m.record(now, trace.Diverged, from.ID, msg.index, own)
	m.dispute.doubted = true
	m.send(now, 0, m.begin(kindDoubt), out)
}

// open begins the telling. All members are at the same index when they hear the doubt.
func (m *Machine) open(now time.Time, out *Output) {
	if m.dispute.open || m.view == nil {
		return
	}
	m.dispute.open, m.dispute.last = true, m.exec.Index()
	m.dispute.rings = make([]ring, len(m.view.Seats))
	b := m.begin(kindRing)
	b = binary.AppendUvarint(b, m.dispute.last)
	var digests []uint64
	for i := m.dispute.last; len(digests) < ringMax; i-- {
		d, known := m.exec.At(i)
		if !known {
			break
		}
		digests = append(digests, d)
		if i == 0 {
			break
		}
	}
	slices.Reverse(digests)
	b = binary.AppendUvarint(b, uint64(len(digests)))
	for _, d := range digests {
		b = binary.BigEndian.AppendUint64(b, d)
	}
	m.send(now, 0, b, out)
}

// vote takes one member's digests. All members do in the same order, so all decide alike.
func (m *Machine) vote(now time.Time, from view.Member, msg *message, out *Output) {
	d := &m.dispute
	if !d.open || m.view == nil || msg.last != d.last || len(msg.ring) == 0 {
		return
	}
	rank := m.view.Rank(from.ID)
	if rank < 0 || m.view.Seats[rank].Member != from {
		return
	}
	d.rings[rank] = ring{true, msg.ring}
	for rank, s := range m.view.Seats {
		if !s.Witness && !d.rings[rank].told {
			return
		}
	}
	m.judge(now, out)
	m.dispute = dispute{}
}

// judge finds who has diverged, when all have told their digests.
func (m *Machine) judge(now time.Time, out *Output) {
	d := &m.dispute
	members, best, most := 0, uint64(0), 0
	for rank := range d.rings {
		if !d.rings[rank].told {
			continue
		}
		members++
		same := 0
		for other := range d.rings {
			if d.rings[other].told && d.final(other) == d.final(rank) {
				same++
			}
		}
		if same > most {
			best, most = d.final(rank), same
		}
	}
	if most == members {
		return // they differed earlier, and do not any more
	}
	c := Command{Verb: Diverged}
	c.Index, c.Sure = d.first()
	if h := &m.heads[c.Index%headsKept]; c.Sure && h.index == c.Index {
		c.Request = slices.Clone(h.data[:h.size])
	}
	for rank, s := range m.view.Seats {
		if d.rings[rank].told && (d.final(rank) != best || 2*most <= members) {
			c.Members = append(c.Members, s.Member)
			m.record(now, trace.Diverged, s.ID, c.Index, d.final(rank))
		}
	}
	if 2*most <= members {
		c.Verb = Halted
		m.halted = &c
	}
	out.Do = append(out.Do, c)
	if c.Verb == Diverged && slices.Contains(c.Members, m.cfg.Self) && canary != KeepsDiverged {
		out.Do = append(out.Do, Command{Verb: Restart})
	}
}

// final is the digest of a rank at the last index.
func (d *dispute) final(rank int) uint64 {
	r := d.rings[rank].digests
	return r[len(r)-1]
}

// first is the first index at which those who told differ; not sure if they do so in all
// that they told.
func (d *dispute) first() (uint64, bool) {
	index := d.last
	for back := 1; ; back++ {
		var digest uint64
		first, same := true, true
		for rank := range d.rings {
			r := d.rings[rank].digests
			if !d.rings[rank].told {
				continue
			}
			if len(r) < back {
				return index, false
			}
			if x := r[len(r)-back]; first {
				digest, first = x, false
			} else if x != digest {
				same = false
			}
		}
		if same {
			return index, true
		}
		if index = d.last - uint64(back) + 1; index == 0 {
			return 0, true
		}
	}
}

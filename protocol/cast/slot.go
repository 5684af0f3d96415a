package cast

import (
	"encoding/binary"
	"math/bits"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// mask is a set of ranks.
type mask uint64

func bit(rank int) mask { return 1 << rank }

// A mask has a bit for every rank.
const _ = uint(64 - view.SeatMax)

// slot holds one packet: the whole frame as it is sent, or sent again. It fits the
// allocator's class of 1536 bytes.
type slot struct {
	n      int  // bytes of the frame
	first  int  // where in the body the first record begins, or -1
	urgent bool // own packets: acknowledge at once
	sealed bool // the frame is complete and may be posted
	beyond bool // it came beyond a gap, and the early records in it were handed over
	gave   bool // something in it was handed over, and it is still beyond a gap
	asked  bool // it was asked for before it came
	tail   tail

	want       mask    // who asked for it in this step
	repeatedTo mask    // who was sent it again
	repeatedAt instant // and when

	more  [][]byte // of the record that ends in this packet and begins in another: see Record
	frame [wire.FrameMax]byte
}

// tail is an early record that begins in a packet beyond a gap and ends in a later one.
type tail struct {
	offset, length int
	waits          bool // it is there and was not handed over
	done           bool // it was handed over
}

func (sl *slot) body() []byte { return sl.frame[bodyAt:sl.n] }

// seal completes the frame. A frame that was received needs the frame's header only.
func (m *Machine) seal(rank int, number uint64, sl *slot) {
	if sl.sealed {
		return
	}
	sl.sealed = true
	wire.Begin(sl.frame[:0], m.header())
	if rank == m.rank {
		b := sl.frame[wire.HeaderSize:]
		b[0], b[1] = byte(kindPacket), 0
		if sl.urgent {
			b[1] = packetUrgent
		}
		copy(b[stampAt:], m.stamp[:])
		b[messageAt] = byte(rank)
		first := uint64(noRecord)
		if sl.first >= 0 {
			first = uint64(sl.first)
		}
		binary.BigEndian.PutUint64(b[placeAt:], first<<48|number)
	}
	wire.Finish(sl.frame[:sl.n])
}

// pool gives and takes slots and lists. What is taken back may still be in use by what
// the step has put out: it is given again after the step only.
type pool struct {
	slots, usedSlots []*slot
	usedLists        [][][]byte
	classes          [listClasses][][][]byte // by the power of two that is their length
}

func (p *pool) slot() *slot {
	if n := len(p.slots); n > 0 {
		sl := p.slots[n-1]
		p.slots = p.slots[:n-1]
		return sl
	}
	return &slot{}
}

func (p *pool) freeSlot(sl *slot) {
	p.freeList(sl)
	p.usedSlots = append(p.usedSlots, sl)
}

// list gives an empty list with room for n parts of a record, 1 to recordMax/bodyMax+2.
func (p *pool) list(n int) [][]byte {
	class := bits.Len(uint(n - 1))
	c := &p.classes[class]
	if k := len(*c); k > 0 {
		l := (*c)[k-1]
		*c = (*c)[:k-1]
		return l[:0]
	}
	return make([][]byte, 0, 1<<class)
}

// freeList takes the list back that a slot has, if it has one.
func (p *pool) freeList(sl *slot) {
	if sl.more != nil {
		p.usedLists = append(p.usedLists, sl.more)
		sl.more = nil
	}
}

// settle ends a step: what was taken back may be given again when it is over.
func (p *pool) settle() {
	p.slots = append(p.slots, p.usedSlots...)
	p.usedSlots = p.usedSlots[:0]
	for _, l := range p.usedLists {
		c := &p.classes[bits.Len(uint(cap(l)-1))]
		*c = append(*c, l)
	}
	p.usedLists = p.usedLists[:0]
}

// trim lets the memory go that a busy view needed. Lists would keep slots.
func (p *pool) trim() {
	if n := len(p.slots); n > slotsKept {
		clear(p.slots[slotsKept:])
		p.slots = p.slots[:slotsKept]
	}
	clear(p.classes[:])
}

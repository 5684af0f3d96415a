package transfer

import (
	"hash/crc32"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// slot is a piece's place in the ring.
type slot struct {
	serial uint64        // of the last request for it; zero: none
	at     time.Duration // when that was
	have   uint16        // bytes that are here, from its beginning
	tries  uint8         // requests for it, at most 255
	flying bool          // on its way, as far as is known
	whole  bool
}

// flight is a request for a piece, in the order in which they were made.
type flight struct{ index, serial uint64 }

// joiner is the fetching of one state.
type joiner struct {
	active bool
	donor  view.Member
	cut    view.Name
	total  uint64
	sum    uint32 // of what was handed over
	bytes  uint64 // handed over
	due    time.Duration

	// Pieces are numbered from 0. Those below base were handed over, those below asked
	// were asked for at least once.
	base, asked uint64
	slots       []slot // ringSize, by number
	data        []byte // their bytes

	queue  [2 * ringSize]flight // a ring: requests that may be unanswered
	head   int
	length int
	serial uint64
	flying int // pieces on their way
	lost   int // pieces that have to be asked for again

	window  int
	slow    bool          // no loss yet: the window grows fast
	credit  int           // pieces that came since the window grew
	shrunk  time.Duration // when the window last shrank
	came    int           // pieces since then
	went    int           // pieces lost since then
	newest  time.Duration // when the last of the pieces that came was asked for
	smooth  time.Duration // round trip, smoothed; zero: not known
	spread  time.Duration // its mean deviation
	backoff uint

	closing   bool // everything was handed over, and the sum is waited for
	told      bool // the donor has told the sum
	toldTotal uint64
	toldSum   uint32
}

// Fetch begins to fetch the state of a cut from a donor. If that cut is being fetched
// already, it goes on where it is, with this donor; what was handed over stays. Otherwise what
// was being fetched is forgotten.
func (m *Machine) Fetch(now time.Time, from view.Member, cut view.Name, out *Output) {
	m.enter(now)
	j := &m.joiner
	switch {
	case !j.active || j.cut != cut:
		m.begin(from, cut)
	case j.donor == from:
		return
	default:
		m.switchDonor(from)
	}
	m.note(trace.StateBegan, from.ID, uint64(cut.Epoch), 0)
	m.pull(out)
}

func (m *Machine) begin(from view.Member, cut view.Name) {
	slots, data := m.joiner.slots, m.joiner.data
	if slots == nil {
		slots, data = make([]slot, ringSize), make([]byte, ringSize*pieceSize)
	}
	clear(slots)
	m.joiner = joiner{
		active: true, donor: from, cut: cut, total: unknown, slots: slots, data: data,
		window: windowStart, slow: true, shrunk: -time.Hour,
	}
}

// switchDonor goes on with another donor: nothing is on its way any more, and a piece is
// not put together from two donors' bytes.
func (m *Machine) switchDonor(from view.Member) {
	j := &m.joiner
	if canary == WrongResume {
		j.base++
		j.asked = max(j.asked, j.base)
	}
	for i := j.base; i < j.asked; i++ {
		if s := j.slot(i); !s.whole {
			*s = slot{}
		}
	}
	j.donor, j.told, j.closing = from, false, false
	j.head, j.length, j.flying, j.lost = 0, 0, 0, j.missing()
	j.window, j.slow, j.credit, j.shrunk, j.came, j.went = windowStart, true, 0, -time.Hour, 0, 0
	j.newest, j.smooth, j.spread, j.backoff = 0, 0, 0, 0
}

// missing counts the pieces that were asked for and are not here.
func (j *joiner) missing() int {
	n := 0
	for i := j.base; i < j.asked; i++ {
		if !j.slot(i).whole {
			n++
		}
	}
	return n
}

// Abort ends the fetching, if there is any, without an event.
func (m *Machine) Abort(now time.Time) {
	m.enter(now)
	m.idle()
}

// idle gives the memory back: a member fetches a state once in a life, as a rule.
func (m *Machine) idle() {
	m.joiner.active, m.joiner.slots, m.joiner.data = false, nil, nil
}

// Progress is how many bytes of the state were handed over, and how many it has; zero if
// that is not known yet. When nothing is being fetched it tells of the last time.
func (m *Machine) Progress() (received, total uint64) {
	j := &m.joiner
	if j.total == unknown {
		return j.bytes, 0
	}
	return j.bytes, j.total
}

func (j *joiner) slot(index uint64) *slot { return &j.slots[index%ringSize] }

// count is how many pieces the state has, as far as is known.
func (j *joiner) count() uint64 {
	if j.total == unknown {
		return unknown
	}
	return (j.total + pieceSize - 1) / pieceSize
}

// told takes a message of the donor.
func (m *Machine) told(now time.Time, s *message, out *Output) {
	j := &m.joiner
	switch s.kind {
	case kindPiece:
		if s.total < j.total && !m.ends(s.total) {
			m.fail(Differs, out)
			return
		}
		if !m.store(s, out) {
			m.drop(now, j.donor.ID, wire.Stale)
			return
		}
	case kindSum:
		j.told, j.toldTotal, j.toldSum = true, s.total, s.sum
	case kindGone:
		m.fail(Withdrawn, out)
		return
	}
	m.hand(out)
	if j.active {
		m.detect()
		m.pull(out)
	}
}

// ends takes note of where the state ends: what was asked for beyond is not coming. It says
// whether that can be: a former donor may have given more.
func (m *Machine) ends(total uint64) bool {
	j := &m.joiner
	if j.bytes > total {
		return false
	}
	j.total = total
	n := j.count()
	for i := max(j.base, n); i < j.asked; i++ {
		s := j.slot(i)
		switch {
		case s.have > 0:
			return false
		case s.flying:
			j.flying--
		default:
			j.lost--
		}
		*s = slot{}
	}
	j.asked = min(j.asked, max(j.base, n))
	if n == 0 || n <= j.base || n > j.asked {
		return true
	}
	// The last piece is shorter than the others, and may be whole now.
	s := j.slot(n - 1)
	if s.have > 0 && !s.whole {
		j.complete(n-1, s)
	}
	return (n-1)*pieceSize+uint64(s.have) <= total
}

// store puts the bytes of a piece where they belong. It says whether they were of use.
func (m *Machine) store(p *message, out *Output) bool {
	j := &m.joiner
	index, start := p.offset/pieceSize, uint16(p.offset%pieceSize)
	end := start + uint16(len(p.data))
	if len(p.data) == 0 {
		return true // it only told the total
	}
	if index < j.base && canary == Twice {
		out.Chunks = append(out.Chunks, Chunk{Offset: p.offset, Data: p.data})
	}
	if index < j.base || index >= j.asked || p.offset+uint64(len(p.data)) > j.total {
		return false
	}
	s := j.slot(index)
	if s.whole || start > s.have || end <= s.have {
		return false
	}
	copy(j.data[index%ringSize*pieceSize+uint64(s.have):], p.data[s.have-start:])
	s.have = end
	m.arrived(s)
	j.complete(index, s)
	return true
}

// complete marks a piece as whole if it is.
func (j *joiner) complete(index uint64, s *slot) {
	if s.have < pieceSize && index*pieceSize+uint64(s.have) != j.total {
		return
	}
	s.whole = true
	j.came++
	if s.flying {
		s.flying = false
		j.flying--
	} else {
		j.lost--
	}
	if j.credit++; j.slow {
		j.window = min(j.window+1, windowMax)
	} else if j.credit >= j.window {
		j.credit, j.window = 0, min(j.window+8, windowMax)
	}
}

// arrived learns from the time that a piece took.
func (m *Machine) arrived(s *slot) {
	j := &m.joiner
	took := m.ran - s.at
	if s.tries > 1 && took < j.smooth/2 {
		return // more likely the answer to an earlier request
	}
	j.newest, j.backoff = max(j.newest, s.at), 0
	if s.tries > 1 {
		return
	}
	// As in RFC 6298.
	if j.smooth == 0 {
		j.smooth, j.spread = max(took, 1), took/2
		return
	}
	j.spread += (max(took-j.smooth, j.smooth-took) - j.spread) / 4
	j.smooth = max(1, j.smooth+(took-j.smooth)/8)
}

// hand hands over what is in order, and ends the transfer if that is all.
func (m *Machine) hand(out *Output) {
	j := &m.joiner
	for j.base < j.asked {
		s := j.slot(j.base)
		if !s.whole {
			if canary == SkipLost && s.tries > 1 {
				s.have = pieceSize
				j.complete(j.base, s)
				continue
			}
			break
		}
		at := j.base % ringSize * pieceSize
		data := j.data[at : at+uint64(s.have)]
		j.sum = crc32.Update(j.sum, castagnoli, data)
		out.hand(j.base*pieceSize, data)
		j.bytes += uint64(len(data))
		*s = slot{}
		j.base++
	}
	switch {
	case j.bytes != j.total || !j.told:
	case (j.toldTotal != j.total || j.toldSum != j.sum) && canary != Unchecked:
		m.fail(Differs, out)
	default:
		m.note(trace.StateDone, j.donor.ID, uint64(j.cut.Epoch), j.bytes)
		out.Events = append(out.Events, Event{Kind: Done, Cut: j.cut, Size: j.bytes})
		m.idle()
	}
}

// hand adds bytes to the last chunk of the step if they lie right behind it.
func (o *Output) hand(offset uint64, data []byte) {
	if n := len(o.Chunks); n > 0 {
		c := &o.Chunks[n-1]
		if c.Offset+uint64(len(c.Data)) == offset && offset%(ringSize*pieceSize) != 0 {
			c.Data = c.Data[:len(c.Data)+len(data)]
			return
		}
	}
	o.Chunks = append(o.Chunks, Chunk{Offset: offset, Data: data})
}

// fail ends the transfer; what was handed over is worthless.
func (m *Machine) fail(why Cause, out *Output) {
	j := &m.joiner
	m.note(trace.StateFailed, j.donor.ID, uint64(j.cut.Epoch), j.bytes)
	out.Events = append(out.Events, Event{Kind: Failed, Cause: why, Cut: j.cut, Size: j.bytes})
	m.idle()
}

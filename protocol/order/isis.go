package order

import (
	"encoding/binary"
	"math/bits"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// isis is the engine in which every member proposes a priority for each total message, greater
// than all that it has seen, and the greatest counts; of equal ones that of the higher rank.
// A member that knows all proposals for a message, and for no other a lower one, delivers it.
type isis struct {
	m      *Machine
	clock  uint64           // the greatest priority seen
	votes  []ring[priority] // by rank, for its total messages from stream.out on, here or not
	heard  [][]uint64       // by proposer and rank, for how many messages its proposals are here
	urgent bool             // a uniform message waits

	open    []ring[ballot] // by proposer, its proposals that are not agreed yet
	settled [][]uint64     // by proposer and rank, for how many messages its proposals are agreed
	lagging int            // of the entries of settled, those below what is delivered
}

// priority is what is proposed for a message so far.
type priority struct {
	key         // the greatest, and who proposed it
	missing int // how many members have not proposed
}

// ballot is proposals of one member for some messages of one stream, in one packet.
type ballot struct {
	last  uint64
	rank  int
	count uint64
}

func (i *isis) install(n int) {
	for len(i.votes) < n {
		i.votes = append(i.votes, ring[priority]{})
		i.open = append(i.open, ring[ballot]{})
		i.heard, i.settled = append(i.heard, nil), append(i.settled, nil)
	}
	for k := range i.votes {
		i.votes[k].clear()
		i.open[k].clear()
		i.heard[k], i.settled[k] = renew(i.heard[k], n), renew(i.settled[k], n)
	}
	i.clock, i.urgent, i.lagging = 0, false, 0
}

func (i *isis) stamp() uint64 { return 0 }

func (i *isis) message(rank int, _ uint64, o Order) bool {
	i.vote(rank, i.m.streams[rank].in)
	i.urgent = i.urgent || o&Uniform != 0
	return true
}

// vote is what is proposed for a message that is not delivered yet.
func (i *isis) vote(rank int, index uint64) *priority {
	votes, at := &i.votes[rank], int(index-i.m.streams[rank].out)
	for votes.n <= at {
		votes.push().missing = i.m.members
	}
	return votes.at(at)
}

func (p *priority) raise(by int, place uint64) {
	if proposal := (key{place, by}); p.less(proposal) {
		p.key = proposal
	}
}

func (i *isis) control(rank int, _, last uint64, k kind, r wire.Reader) bool {
	if k != proposals || !i.check(rank, r) {
		return false
	}
	for r.Len() > 0 {
		of, count, place := int(r.U8()), r.Uvarint(), r.Uvarint()
		out := i.m.streams[of].out
		for n := range count {
			if index := i.heard[rank][of] + n; index >= out {
				p := i.vote(of, index)
				p.raise(rank, place+n)
				p.missing--
			}
		}
		i.heard[rank][of] += count
		i.clock = max(i.clock, place+count-1)
		*i.open[rank].push() = ballot{last, of, count}
	}
	i.agreed(rank)
	return true
}

func (i *isis) check(rank int, r wire.Reader) bool {
	former := -1
	for r.Len() > 0 {
		of, count, place := int(r.U8()), r.Uvarint(), r.Uvarint()
		if r.Failed() || of <= former || !i.m.has(of) || count == 0 || count > countMax || place == 0 || place > clockMax-count {
			return false
		}
		if i.heard[rank][of]+count > i.m.streams[of].in+aheadMax {
			return false
		}
		former = of
	}
	return !r.Failed() && former >= 0
}

func (i *isis) agreed(rank int) {
	open, upto := &i.open[rank], i.m.streams[rank].agreed
	for open.n > 0 && open.front().last <= upto {
		b := open.front()
		s := &i.settled[rank][b.rank]
		was, out := *s, i.m.streams[b.rank].out
		*s += b.count
		if was < out && *s >= out {
			i.lagging--
		}
		open.pop()
	}
}

// step proposes for all messages that are here. What it has put out counts when it is in the stream.
// From then on nothing can be delivered that is greater, and nothing that was delivered is greater.
func (i *isis) step(out *Output) {
	m, from, mine := i.m, len(out.buf), i.heard[i.m.self]
	for seats := m.seats; seats != 0; seats &= seats - 1 {
		rank := bits.TrailingZeros64(seats)
		s := &m.streams[rank]
		if s.in <= mine[rank] {
			continue
		}
		n := min(s.in-mine[rank], countMax)
		if len(out.buf) == from {
			out.buf = appendHead(out.buf, proposals)
		}
		out.buf = append(out.buf, byte(rank))
		out.buf = binary.AppendUvarint(out.buf, n)
		out.buf = binary.AppendUvarint(out.buf, i.clock+1)
		i.clock += n
	}
	if len(out.buf) == from {
		i.urgent = false
		return
	}
	out.submit(from)
	out.Urgent = out.Urgent || i.urgent
}

// next compares the first message of each stream. One for which this member has not proposed yet
// cannot get a priority below any that it has seen.
func (i *isis) next() int {
	best := -1
	for seats := i.m.seats; seats != 0; seats &= seats - 1 {
		rank := bits.TrailingZeros64(seats)
		if s := &i.m.streams[rank]; s.out >= i.heard[i.m.self][rank] || s.out == s.in {
			continue
		}
		if best < 0 || i.votes[rank].front().less(i.votes[best].front().key) {
			best = rank
		}
	}
	if best < 0 {
		return -1
	}
	if p := i.votes[best].front(); p.missing > 0 && (canary != FirstProposal || p.missing == i.m.members) {
		return -1
	}
	return best
}

// unsettled: a priority is lost if one of the proposals is lost. Those of the messages delivered
// before count too: if one of these lost its priority, it would come later than this one.
func (i *isis) unsettled(rank int) int {
	for seats := i.m.seats; seats != 0; seats &= seats - 1 {
		by := bits.TrailingZeros64(seats)
		if i.settled[by][rank] <= i.m.streams[rank].out {
			return by
		}
		for of := 0; i.lagging > 0 && of < len(i.m.view.Seats); of++ {
			if i.settled[by][of] < i.m.streams[of].out {
				return by
			}
		}
	}
	return -1
}

// delivered: out of the stream has become one more already.
func (i *isis) delivered(rank int) {
	i.votes[rank].pop()
	for seats := i.m.seats; seats != 0; seats &= seats - 1 {
		if i.settled[bits.TrailingZeros64(seats)][rank] == i.m.streams[rank].out-1 {
			i.lagging++
		}
	}
}

func (i *isis) needs(int) uint64 { return 0 }

func (i *isis) waits(rank int, index uint64) int {
	for seats := i.m.seats; seats != 0; seats &= seats - 1 {
		if by := bits.TrailingZeros64(seats); i.heard[by][rank] <= index {
			return by
		}
	}
	return -1
}

// close: first the messages for which all proposals are here, then the others by rank. Of one stream, if
// one has all, those before it have.
func (i *isis) close() {
	for rank := range i.m.view.Seats {
		s, votes := &i.m.streams[rank], &i.votes[rank]
		for ; votes.n > 0 && votes.front().missing == 0 && uint64(s.keys.n) < s.in-s.out; votes.pop() {
			*s.keys.push() = votes.front().key
		}
	}
	i.m.fillKeys()
}

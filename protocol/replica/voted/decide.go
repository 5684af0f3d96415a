package voted

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// take takes a voter's votes. All members do in the same order, so all decide alike.
func (m *Machine) take(now time.Time, from view.Member, msg *message, out *replica.Output) {
	rank := m.view.Rank(from.ID)
	exact := m.cfg.Comparer == nil
	if msg.kind == kindTell {
		if exact && msg.epoch == m.view.Name.Epoch {
			m.hear(now, from, msg.first, msg.sum)
		}
		return
	}
	if msg.epoch != m.view.Name.Epoch || rank < 0 || m.view.Seats[rank].Member != from || exact != (msg.kind == kindVotes) {
		m.record(now, trace.Dropped, from.ID, 0, 0, 0)
		return
	}
	if m.voters>>rank&1 == 0 {
		return
	}
	if m.decided == 0 && msg.first < m.next {
		m.next = msg.first // a joiner learns what the others have not decided yet
	}
	if m.begun[rank] == 0 {
		m.begun[rank] = msg.first
	}
	m.upto[rank] = max(m.upto[rank], msg.first-1)
	last, digest := uint64(0), uint64(0)
	msg.each(func(index, sum uint64, body []byte) {
		last, digest = index, sum
		if index >= m.next+ballotsMax || index <= m.upto[rank] && m.upto[rank] != 0 {
			return
		}
		m.upto[rank] = index
		if s := m.ballots.at(index); s != nil {
			s.voted |= 1 << rank
			m.ballots.vote(index, rank).set(sum, body)
			m.late(now, s, rank, out)
		}
	})
	if exact && last != 0 {
		m.hear(now, from, last, digest)
	}
	m.decide(now, out)
}

// late compares a vote on what was decided before.
func (m *Machine) late(now time.Time, s *slot, rank int, out *replica.Output) {
	if s.sure && !m.same(m.ballots.vote(s.index, rank), &s.won) {
		m.retire(now, s, 1<<rank, out)
	}
}

// decide decides what can be decided, in order.
func (m *Machine) decide(now time.Time, out *replica.Output) {
	for m.halted == nil && !m.fallen {
		s := m.ballots.at(m.next)
		if s == nil {
			return
		}
		best, voted, possible := m.count(s)
		need, most := m.majority(), bits.OnesCount32(best)
		switch {
		case most >= need:
			s.over, s.sure = true, true
			m.elect(s, best)
			m.next, m.decided = m.next+1, s.index
			m.answer(s, out)
			m.retire(now, s, voted&^best, out)
			m.check(now, s, out)
		case most+possible >= need:
			return
		case best != voted:
			m.halt(now, s, voted, out)
			return
		case possible > 0:
			return
		default: // too few can vote on it, and they agree: nobody is answered, and nobody is wrong
			s.over = true
			m.next, m.decided = m.next+1, s.index
			m.answer(s, out)
		}
	}
}

// elect notes what was decided.
func (m *Machine) elect(s *slot, best uint32) {
	first := m.ballots.vote(s.index, bits.TrailingZeros32(best))
	s.won.set(first.sum, first.body)
	if m.cfg.Comparer == nil || len(first.body) == 0 {
		return
	}
	m.replies = m.replies[:0]
	for ; best != 0; best &= best - 1 {
		if v := m.ballots.vote(s.index, bits.TrailingZeros32(best)); len(v.body) > 0 {
			m.replies = append(m.replies, v.body)
		}
	}
	s.won.body = m.choose(s.won.body[:0], m.replies)
}

// answer answers the client of a command that was decided, if this member has it.
func (m *Machine) answer(s *slot, out *replica.Output) {
	for m.kept.Len() > 0 && m.kept.At(0).Index <= s.index {
		k := m.kept.At(0)
		client := m.repeats.End(k.Name, k.Client)
		if k.Index == s.index {
			m.own.set(m.vote(s.index, k.Data))
			agrees := s.sure && m.same(&m.own, &s.won) || canary == AnswersOwn && s.sure
			switch {
			case !agrees:
			case m.cfg.Comparer != nil && len(s.won.body) > 0:
				out.Answer(client, append(out.Begin(), s.won.body...))
			default:
				out.Answer(client, append(out.Begin(), k.Data...))
			}
			m.wrong = s.sure && !agrees
		}
		m.kept.Pop()
	}
}

// vote is this member's on a command, whose reply it has if replies are compared.
func (m *Machine) vote(index uint64, reply []byte) (uint64, []byte) {
	if m.cfg.Comparer != nil {
		if len(reply) > comparedMax {
			return sumOf(reply), nil
		}
		return sumOf(reply), reply
	}
	sum, _ := m.exec.At(index)
	return sum, nil
}

// retire takes voters out that disagree.
func (m *Machine) retire(now time.Time, s *slot, who uint32, out *replica.Output) {
	if who &= m.voters; who == 0 || canary == KeepsRetired {
		return
	}
	for ; who != 0; who &= who - 1 {
		rank := bits.TrailingZeros32(who)
		m.retired |= 1 << rank
		seat := m.view.Seats[rank].Member
		m.record(now, trace.Diverged, seat.ID, s.index, s.won.sum, m.ballots.vote(s.index, rank).sum)
		out.Do = append(out.Do, replica.Command{
			Verb: replica.Diverged, Members: []view.Member{seat}, Index: s.index,
			Sure: s.index > m.begun[rank], Request: m.heads.Of(s.index),
		})
		if seat == m.cfg.Self {
			m.restart(out)
		}
	}
	m.seat()
}

// check looks whether what was decided is what this member has, if no vote of its own will tell.
func (m *Machine) check(now time.Time, s *slot, out *replica.Output) {
	wrong := m.wrong
	m.wrong = false
	known := s.index > m.origin
	if m.cfg.Comparer == nil {
		own, there := m.exec.At(s.index)
		wrong = there && own != s.won.sum
		known = known && there
	}
	if known && !wrong && !m.fallen {
		m.sure = s.index
	}
	tells := m.votes() && s.index > m.origin && (m.cfg.Comparer == nil || m.cast >= s.index)
	if !wrong || m.fallen || tells || canary == KeepsRetired {
		return
	}
	m.record(now, trace.Diverged, m.cfg.Self.ID, s.index, s.won.sum, 0)
	out.Do = append(out.Do, replica.Command{Verb: replica.Diverged, Members: []view.Member{m.cfg.Self}, Index: s.index, Request: m.heads.Of(s.index)})
	m.restart(out)
}

// halt stops: voters differ, and none of them can have a majority any more.
func (m *Machine) halt(now time.Time, s *slot, voted uint32, out *replica.Output) {
	c := replica.Command{Verb: replica.Halted, Index: s.index, Sure: true, Request: m.heads.Of(s.index)}
	for ; voted != 0; voted &= voted - 1 {
		rank := bits.TrailingZeros32(voted)
		c.Members = append(c.Members, m.view.Seats[rank].Member)
		c.Sure = c.Sure && s.index > m.begun[rank]
		m.record(now, trace.Diverged, m.view.Seats[rank].ID, s.index, m.ballots.vote(s.index, rank).sum, 0)
	}
	m.halted = &c
	m.kept.Clear()
	m.repeats.Clear()
	out.Do = append(out.Do, c)
}

// restart gives the state up.
func (m *Machine) restart(out *replica.Output) {
	m.fallen = true
	m.kept.Clear()
	m.repeats.Clear()
	out.Do = append(out.Do, replica.Command{Verb: replica.Restart})
}

// seat finds who votes: the first that are no witnesses and not retired.
func (m *Machine) seat() {
	was := m.votes()
	m.voters, m.rank = 0, -1
	for rank, s := range m.view.Seats {
		if s.Member == m.cfg.Self {
			m.rank = rank
		}
		if !s.Witness && m.retired>>rank&1 == 0 && bits.OnesCount32(m.voters) < m.cfg.Voters {
			m.voters |= 1 << rank
		}
	}
	if m.votes() && !was {
		m.cast, m.told = max(m.next-1, m.origin), false
	}
}

// votes says whether this member votes.
func (m *Machine) votes() bool { return m.view != nil && m.rank >= 0 && m.voters>>m.rank&1 == 1 }

// last is the last command of the next message with votes.
func (m *Machine) last() uint64 {
	most := uint64(votesMax)
	if m.cfg.MessageMax > 0 {
		most = min(most, uint64(m.cfg.MessageMax-headMax)/8)
	}
	return min(m.exec.Index(), m.cast+most, m.next+ballotsMax-1)
}

// appendVotes appends this member's next votes, and notes that they are cast.
func (m *Machine) appendVotes(b []byte) []byte {
	first, last := m.cast+1, m.last()
	if m.cfg.Comparer == nil {
		count := uint64(0)
		if last >= first {
			count = last - first + 1
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, first), count)
		for ; m.cast < last; m.cast++ {
			sum, _ := m.exec.At(m.cast + 1)
			b = binary.BigEndian.AppendUint64(b, sum)
		}
		return b
	}
	return m.appendReplies(b, first, last)
}

// appendReplies is that with replies to compare.
func (m *Machine) appendReplies(b []byte, first, last uint64) []byte {
	i := 0
	for i < m.kept.Len() && m.kept.At(i).Index < first {
		i++
	}
	if i < m.kept.Len() {
		first = m.kept.At(i).Index // what is not kept any more was decided
	}
	m.scratch = m.scratch[:0]
	count, size := uint64(0), 0
	for ; i < m.kept.Len() && m.kept.At(i).Index <= last && size < votesBytes; i++ {
		k := m.kept.At(i)
		sum, body := m.vote(k.Index, k.Data)
		if body == nil {
			m.scratch = binary.AppendUvarint(m.scratch, 9)
			m.scratch = binary.BigEndian.AppendUint64(append(m.scratch, 1), sum)
		} else {
			m.scratch = binary.AppendUvarint(m.scratch, uint64(1+len(body)))
			m.scratch = append(append(m.scratch, 0), body...)
		}
		count, size = count+1, len(m.scratch)
		m.cast = k.Index
	}
	if size < votesBytes {
		m.cast = max(m.cast, last)
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, first), count)
	return append(b, m.scratch...)
}

package cast

import (
	"math/bits"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// agreement is how many votes make packets safe, and what is known to be.
type agreement struct {
	need  int // votes of holders; 0 if everybody must be one
	stale mask
	upto  []uint64 // by rank
}

func newAgreement(v *view.View, all bool, hold int) agreement {
	votes := 0
	for i := range v.Seats {
		if !v.Seats[i].Witness {
			votes += int(v.Seats[i].Votes)
		}
	}
	a := agreement{stale: ^mask(0), upto: make([]uint64, len(v.Seats))}
	if need := max(v.HoldQuorum(), hold); !all && votes > 0 && need <= votes {
		a.need = max(need, 1)
	}
	if canary == HastyAgreement {
		a.need = max(a.need-1, 1)
	}
	return a
}

// pairs says whether any two holders are enough: then who receives a packet knows that it is
// safe, and only its sender waits for the news that others have it.
func (a *agreement) pairs(v *view.View) bool {
	for i := range v.Seats {
		for k := range i {
			one, other := &v.Seats[i], &v.Seats[k]
			if !one.Witness && !other.Witness && int(one.Votes)+int(other.Votes) < a.need {
				return false
			}
		}
	}
	return a.need > 0
}

// Agreed is the last packet up to which holders with [view.View.HoldQuorum] votes have
// everything of a stream: whatever quorum a view change finds has one of them in it. They
// have [Config.Hold] at least. With [Config.All], and where the holders' votes cannot suffice, all must have it.
func (m *Machine) Agreed(rank int) uint64 {
	if m.rank < 0 || uint(rank) >= uint(len(m.streams)) || m.seats[rank].Witness {
		return 0
	}
	a := &m.agreed
	if a.stale&bit(rank) != 0 {
		a.stale &^= bit(rank)
		a.upto[rank] = m.agree(rank)
	}
	return max(a.upto[rank], m.streams[rank].stable) // its sender may know more
}

// agree finds the highest packet that members with enough votes have reached.
func (m *Machine) agree(rank int) uint64 {
	var packets [view.SeatMax]uint64 // descending
	var votes [view.SeatMax]uint8
	n := 0
	for to := m.others | bit(m.rank); to != 0; to &= to - 1 {
		i := bits.TrailingZeros64(uint64(to))
		has := m.seats[i].acked[rank]
		if i == rank {
			has = m.streams[rank].told // who sends a packet has it
		}
		k := n
		for ; k > 0 && packets[k-1] < has; k-- {
			packets[k], votes[k] = packets[k-1], votes[k-1]
		}
		packets[k], votes[k] = has, m.seats[i].Votes
		n++
	}
	if m.agreed.need == 0 {
		return packets[n-1]
	}
	sum := 0
	for k := range n {
		if sum += int(votes[k]); sum >= m.agreed.need {
			return packets[k]
		}
	}
	return 0
}

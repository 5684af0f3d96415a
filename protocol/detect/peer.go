package detect

import (
	"math"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// link is one way of hearing a peer.
type link struct {
	heard   bool
	last    time.Duration // in time run, like all times below
	counter uint64
}

// peer is what the machine knows of another member. Only id, the verdict before any life
// is heard, and flapping outlive a life.
type peer struct {
	id   view.ID
	life view.Incarnation // zero: never heard

	silent    bool // no link was heard for the patience of this peer
	condemned bool // the owner said so, with Suspect
	suspected bool // what was last put out: silent, or condemned

	unmet bool          // it does not know yet that we hear it
	last  time.Duration // of anything from it
	links [linksMax]link
	hears uint8 // links on which it says it hears us

	beat      time.Duration // arrival of its newest heartbeat
	newest    uint64        // counter of that; zero: none in this life
	intervals window
	patience  time.Duration
	graced    bool // nothing was heard since it was given time because we were paused

	since   time.Duration // since when suspected
	flaps   float64       // wrong suspicions, as of flapped; decaying
	flapped time.Duration

	counter uint64 // of our heartbeats to it
}

func (p *peer) member() view.Member { return view.Member{ID: p.id, Incarnation: p.life} }

// trusted says whether the peer's present life is heard and not suspected.
func (p *peer) trusted() bool { return p.life != 0 && !p.suspected }

// echo is what we tell the peer about hearing it.
func (p *peer) echo() (hears uint8, heard view.Incarnation) {
	for i := range p.links {
		if p.links[i].heard {
			hears |= 1 << i
			heard = p.life
		}
	}
	return hears, heard
}

// recent is how many wrong suspicions are remembered at a time.
func (p *peer) recent(at time.Duration) float64 {
	if p.flaps == 0 {
		return 0
	}
	return p.flaps * math.Exp2(-float64(at-p.flapped)/float64(flapHalfLife))
}

// normal is the distribution of the peer's arrivals in microseconds, with the floor of
// the deviation.
func (p *peer) normal(heartbeat time.Duration) (mean, deviation float64) {
	mean, deviation = p.intervals.normal()
	return mean, max(deviation, float64(heartbeat)/float64(time.Microsecond)/deviationFloor)
}

// adapt computes the patience anew.
func (p *peer) adapt(at time.Duration, c *Config) {
	mean, deviation := p.normal(c.Heartbeat)
	p.patience = patience(c.SuspectAfter, reaches(mean, deviation), p.recent(at))
}

// patience is how long a silence may be before it is a suspicion: until phi reaches the
// threshold (at reached microseconds) and SuspectAfter is over; longer after recent wrong
// suspicions; and never longer than patienceMax times SuspectAfter.
func patience(suspectAfter time.Duration, reached, recent float64) time.Duration {
	least, most := float64(suspectAfter), float64(patienceMax*suspectAfter)
	p := max(least, reached*float64(time.Microsecond)) + recent*flapPatience*least
	if canary != Unbounded {
		p = min(p, most)
	}
	return time.Duration(p)
}

package cast

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// The judges run a network and return the promise that was broken. They judge the planted
// bugs too.

// judgeLoss has all members multicast over a network that loses frames.
func judgeLoss(n int, seed uint64, loss float64, disorder bool) (*network, error) {
	net := newNetwork(n, seed, nil, nil)
	net.loss = loss
	net.look = lookRepair
	if disorder {
		net.double, net.jitter, net.late = 0.02, 300*time.Microsecond, 0.001
	}
	for i, p := range net.nodes {
		p.load, p.sizes = 9000/n, mixed
		p.early = func(k int) bool { return k%3 == i%3 }
	}
	quiet := net.run(time.Minute)
	if err := net.complete(); err != nil {
		return net, err
	}
	if !quiet {
		return net, fmt.Errorf("the members still talk though everything is stable")
	}
	return net, nil
}

// lookRepair looks whether what is missing is known, counted and going to be asked for.
func lookRepair(p *member) {
	for i := range p.m.streams {
		s := &p.m.streams[i]
		r := &s.repair
		if s.told < s.next || p.m.frozen || p.m.rank < 0 {
			continue
		}
		waiting, oldest := 0, never
		for n := s.next; n <= max(r.top, s.told, s.high); n++ {
			switch asked := s.asks[n&uint64(len(s.asks)-1)]; {
			case n-s.base >= uint64(len(s.asks)):
			case s.at(n) != nil:
			case asked != 0 && asked != givenUp:
				waiting++
				oldest = min(oldest, max(asked, -asked))
			case n <= r.asked:
				p.net.fail("member %d: packet %d of stream %d is missing and counts as asked for", p.i, n, i)
			}
		}
		if waiting != r.waiting || oldest < r.oldest {
			p.net.fail("member %d: %d packets of stream %d are waited for since %d; noted are %d, %d",
				p.i, waiting, i, oldest, r.waiting, r.oldest)
		}
		if r.deadline(s) == never {
			p.net.fail("member %d: nothing will be asked for of stream %d", p.i, i)
		}
	}
}

// judgeTail loses the last packets of a burst, once, and everything that is said within a
// millisecond after.
func judgeTail(n int) error {
	net := newNetwork(n, 3, nil, nil)
	net.nodes[0].load, net.nodes[0].sizes = 100, mixed
	lost := map[string]bool{}
	net.lose = func(from, to int, payload []byte) bool {
		key := fmt.Sprint(to, string(payload))
		if payload[0] != byte(kindPacket) || payload[placeAt+7] < 20 || lost[key] {
			return false
		}
		lost[key] = true
		return true
	}
	quiet := net.run(time.Second)
	if err := net.complete(); err != nil {
		return err
	}
	if !quiet || len(lost) == 0 {
		return fmt.Errorf("quiet %v after %d packets were lost", quiet, len(lost))
	}
	return nil
}

// lookAgreed looks at what Agreed promises, in the words of its definition.
func lookAgreed(p *member) {
	for rank := range p.view.Seats {
		upto := p.m.Agreed(rank)
		if upto == 0 {
			continue
		}
		holders, carriers, missing := 0, 0, 0
		for i, seat := range p.view.Seats {
			if seat.Witness {
				continue
			}
			q := p.of(i)
			has := q.m.streams[rank].next - 1
			carriers += int(seat.Votes)
			if has >= upto {
				holders += int(seat.Votes)
			} else {
				missing++
			}
		}
		all := p.m.cfg.All || p.view.HoldQuorum() > carriers
		if all && missing > 0 || !all && holders < p.view.HoldQuorum() {
			p.net.fail("member %d takes packet %d of stream %d for agreed: %d votes have it, of %d", p.i, upto, rank, holders, carriers)
		}
	}
}

// judgeAgreement looks at every step what is taken for agreed, with votes that differ.
func judgeAgreement(seed uint64, all bool) error {
	net := newNetwork(5, seed, func(c *Config) { c.All = all }, func(v *view.View) {
		for i, votes := range [][]uint8{{1, 1, 1, 1, 1}, {3, 1, 1, 0, 2}, {0, 0, 7, 1, 4}}[seed%3] {
			v.Seats[i].Votes = votes
		}
		v.Seats[4].Witness = seed%3 != 0
	})
	net.loss = 0.05
	net.look = lookAgreed
	for _, p := range net.nodes {
		if !net.view.Seats[p.i].Witness {
			p.load, p.sizes = 300, mixed
		}
	}
	net.run(time.Second)
	if err := net.complete(); err != nil {
		return err
	}
	for _, p := range net.nodes {
		for rank := range net.nodes {
			if p.m.rank >= 0 && !net.view.Seats[rank].Witness && p.m.Agreed(rank) != p.m.streams[rank].told {
				return fmt.Errorf("member %d: %d packets of stream %d are agreed, all have %d", p.i, p.m.Agreed(rank), rank, p.m.streams[rank].told)
			}
		}
	}
	return nil
}

// judgeFlow has one member that releases nothing for three seconds.
func judgeFlow() error {
	told := 0
	net := newNetwork(3, 1, nil, nil)
	net.note = func(e trace.Event) {
		if e.Kind == trace.SlowMember && e.Peer == 3 {
			told++
		}
	}
	sender, slow := net.nodes[0], net.nodes[2]
	sender.load, sender.sizes = 3000, func(int) int { return 1000 }
	slow.lag = 1 << 30
	net.run(3 * time.Second)
	st := sender.m.Stats()
	who, since := sender.m.Slowest()
	switch {
	case net.err != nil:
		return net.err
	case st.Used > st.Window || sender.submitted == sender.load || slow.m.Stats().Members[0].Kept > st.Window:
		return fmt.Errorf("the sender is %d packets ahead of a member that releases nothing, its window being %d", st.Used, st.Window)
	case who != 3 || since < 2*time.Second || told != 2:
		return fmt.Errorf("%v is named as slow for %v, and was %d times", who, since, told)
	case sender.m.Room() > bodyMax || sender.m.ControlRoom() < reserve*bodyMax:
		return fmt.Errorf("there is room for %d bytes, and for %d of control", sender.m.Room(), sender.m.ControlRoom())
	}
	slow.lag = 0
	quiet := net.run(3 * time.Second)
	if err := net.complete(); err != nil {
		return err
	}
	if who, _ := sender.m.Slowest(); who != view.Nobody || !quiet {
		return fmt.Errorf("%v is still named; quiet %v", who, quiet)
	}
	return nil
}

// judgeChange takes some members through a view change while others crash, over a bad
// network, and lets those who survive go on in the next view.
func judgeChange(seed uint64) error {
	n := 2 + int(seed%4)
	net := newNetwork(n, seed, nil, nil)
	net.look = lookRepair
	net.loss = []float64{0, 0.05, 0.3}[net.rng.IntN(3)]
	net.jitter, net.double, net.late = 100*time.Microsecond, 0.02, 0.02
	for i, p := range net.nodes {
		p.load, p.sizes = 1000, mixed
		p.early = func(k int) bool { return k%2 == i%2 }
		p.lag = net.rng.IntN(20)
	}
	net.run(time.Duration(net.rng.IntN(8000)) * time.Microsecond)
	for _, p := range net.nodes[1+net.rng.IntN(n):] {
		p.up = false
	}
	var stay []*member
	held := map[*member]view.Cut{}
	cut := view.Cut{}
	for _, p := range net.nodes {
		if p.up {
			net.run(time.Duration(net.rng.IntN(300)) * time.Microsecond)
			p.step(func() { p.m.Freeze(net.now) })
			stay = append(stay, p)
			held[p] = p.m.Holding()
			cut = cut.Union(held[p])
			p.handedWithin(held[p])
		}
	}
	net.run(time.Millisecond)
	for _, p := range stay {
		if !p.m.Holding().Equal(held[p]) {
			net.fail("member %d reported %v and then took something: %v", p.i, held[p], p.m.Holding())
		}
	}
	for _, p := range stay {
		p.step(func() { p.m.Fetch(net.now, pieces(cut, held, p), &p.out) })
	}
	net.run(time.Duration(net.rng.IntN(10)) * time.Millisecond)
	if last := stay[len(stay)-1]; len(stay) > 1 && net.rng.IntN(2) == 0 {
		// It dies, and a later ballot has a cut without it: what was fetched from it is void,
		// unless somebody held it before.
		last.up = false
		stay = stay[:len(stay)-1]
		cut = view.Cut{}
		for _, p := range stay {
			cut = cut.Union(held[p])
		}
	}
	for _, p := range stay {
		p.step(func() { p.m.Fetch(net.now, nil, &p.out) })
		p.handedWithin(p.m.Holding())
		p.step(func() { p.m.Fetch(net.now, pieces(cut, held, p), &p.out) })
	}
	for range 1000 {
		if !slices.ContainsFunc(stay, func(p *member) bool { return p.m.Missing() > 0 }) {
			break
		}
		net.run(3 * time.Millisecond)
	}
	for _, p := range stay {
		if n := p.m.Missing(); n > 0 {
			return fmt.Errorf("member %d still misses %d packets of %v: %v", p.i, n, cut, p.m.Holding())
		}
		if err := p.wholeWith(cut); err != nil {
			return err
		}
		p.step(func() { p.m.Complete(net.now, cut, &p.out) })
		p.handedWithin(cut)
		for rank := range p.view.Seats {
			if !maps.Equal(p.seen[rank], stay[0].seen[rank]) {
				return fmt.Errorf("members %d and %d were handed %d and %d records of stream %d", p.i, stay[0].i, len(p.seen[rank]), len(stay[0].seen[rank]), rank)
			}
			if q := p.of(rank); q.up && len(p.seen[rank]) != q.submitted {
				return fmt.Errorf("member %d was handed %d of the %d records of %d, which survives", p.i, len(p.seen[rank]), q.submitted, q.i)
			}
		}
	}
	if net.err != nil {
		return net.err
	}
	return net.next(stay)
}

// wholeWith judges Whole: the cut is here, one with a packet more is not, and one that lacks what was
// handed over is not what can be completed.
func (p *member) wholeWith(cut view.Cut) error {
	more := cut.Union(nil)
	more[0] = append(more[0], view.Range{From: numberMax, To: numberMax})
	switch {
	case !p.m.Whole(cut):
		return fmt.Errorf("member %d has %v and says that it has not all of %v", p.i, p.m.Holding(), cut)
	case p.m.Whole(more):
		return fmt.Errorf("member %d says that it has %v; it holds %v", p.i, more, p.m.Holding())
	}
	for rank := range cut {
		less := cut.Union(nil)
		if less[rank] = nil; len(p.seen[rank]) > 0 && p.m.Whole(less) {
			return fmt.Errorf("member %d was handed records of stream %d, and says that %v has them", p.i, rank, less)
		}
	}
	return nil
}

// next has the survivors go on in the next view, into which they come one after the other.
func (net *network) next(stay []*member) error {
	v := &view.View{Name: view.Name{Epoch: 2, Round: 1, By: 1}}
	for _, p := range slices.Backward(stay) {
		v.Seats = append(v.Seats, net.view.Seats[p.i])
	}
	for _, p := range stay {
		p.load, p.lag = 200, 0
		p.install(v)
		net.run(time.Duration(net.rng.IntN(300)) * time.Microsecond)
	}
	quiet := net.run(10 * time.Second)
	if err := net.complete(); err != nil {
		return err
	}
	if !quiet {
		return fmt.Errorf("the members still talk though everything is stable")
	}
	return nil
}

// handedWithin looks whether everything that was handed over lies in what is held.
func (p *member) handedWithin(held view.Cut) {
	for _, r := range p.handed {
		if !slices.ContainsFunc(held[r.Rank], func(h view.Range) bool { return h.From <= r.First && r.Last <= h.To }) {
			p.net.fail("member %d was handed a record of packets %d to %d of stream %d, and holds %v", p.i, r.First, r.Last, r.Rank, held)
		}
	}
}

// pieces is what a member must fetch of a cut, each packet from somebody who reported it.
func pieces(cut view.Cut, held map[*member]view.Cut, p *member) []view.Piece {
	var all []view.Piece
	holds := func(c view.Cut, rank int, number uint64) bool {
		return slices.ContainsFunc(c[rank], func(r view.Range) bool { return r.From <= number && number <= r.To })
	}
	for rank := range cut {
		for _, r := range cut[rank] {
			for number := r.From; number <= r.To; number++ {
				if holds(held[p], rank, number) {
					continue
				}
				for _, q := range p.net.nodes {
					if !q.up || !holds(held[q], rank, number) {
						continue
					}
					id := p.net.view.Seats[q.i].ID
					if k := len(all) - 1; k >= 0 && all[k].Rank == rank && all[k].Holder == id && all[k].Range.To+1 == number {
						all[k].Range.To++
					} else {
						all = append(all, view.Piece{Rank: rank, Range: view.Range{From: number, To: number}, Holder: id})
					}
					break
				}
			}
		}
	}
	return all
}

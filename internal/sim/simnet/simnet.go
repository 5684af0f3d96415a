// Package simnet is a network that exists in virtual time only: it carries datagrams
// between nodes over one or several links, and does to them what networks do.
//
// Each way (from, to, link) has its own [Faults]: delay, jitter, loss alone and in
// bursts, damage, duplication, reordering. A way can be cut, one direction or both.
// There is one thread and one source of chance; datagrams arrive in the order of their
// time, those of one time in the order in which they were sent. The same seed and the
// same calls give the same arrivals.
//
// It is a model: there is no bandwidth and no queue that fills up by itself; a burst of
// losses stands for one.
package simnet

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

const (
	// datagramsMax is how many datagrams may be on the way at once; what is sent beyond
	// it is lost. A protocol that needs more on a network of a few nodes is in a storm.
	datagramsMax = 1 << 17

	// LinksMax is the most links between two nodes.
	LinksMax = 8
)

// Datagram is what arrives.
type Datagram struct {
	From   view.Member // the life that sent it, as a seal would prove it
	To     view.ID
	Link   uint8  // counted from 1
	Serial uint64 // of the call of [Network.Send]; all its copies have the same
	Frame  []byte // valid until the next call of [Network.Arrive]
}

// Counts is what a network has done.
type Counts struct {
	Sent, Lost, Damaged, Duplicated, Reordered, Cut, Arrived, Overrun uint64
}

// Network carries datagrams. One goroutine may use it.
type Network struct {
	rng    *rand.Rand
	nodes  int
	links  int
	ways   []way
	sky    Heap[Datagram] // what is on the way
	spare  [][]byte       // frames to be used again
	serial uint64
	last   []byte // the frame of the datagram that arrived last
	counts Counts

	// Alter is asked which faults a datagram meets, of one that meets f on its way; nil: those.
	Alter func(d *Datagram, frame []byte, f Faults) Faults
}

// way is one direction of one link between two nodes.
type way struct {
	faults Faults
	cut    bool
	burst  int           // how many more are lost in a row
	clear  time.Duration // when the last one that kept its place arrives
}

// New makes a network of nodes 1 to nodes, with links 1 to links between any two of
// them, all of them calm.
func New(rng *rand.Rand, nodes, links int) *Network {
	n := &Network{rng: rng, nodes: nodes, links: links, ways: make([]way, nodes*nodes*links)}
	for i := range n.ways {
		n.ways[i].faults = Calm()
	}
	return n
}

// Links is how many links there are between two nodes.
func (n *Network) Links() int { return n.links }

func (n *Network) way(from, to view.ID, link uint8) *way {
	return &n.ways[((int(from)-1)*n.nodes+int(to)-1)*n.links+int(link)-1]
}

// Shape gives one way its faults. What is on the way already is not changed.
func (n *Network) Shape(from, to view.ID, link uint8, f Faults) {
	n.way(from, to, link).faults = f
}

// Cut makes a way lose everything, or ends that.
func (n *Network) Cut(from, to view.ID, link uint8, cut bool) {
	n.way(from, to, link).cut = cut
}

// Settle ends all faults and cuts.
func (n *Network) Settle() {
	for i := range n.ways {
		n.ways[i] = way{faults: Calm(), clear: n.ways[i].clear}
	}
}

// Counts says what the network has done so far.
func (n *Network) Counts() Counts { return n.counts }

// Send gives a frame to one link, or to every link if link is 0. The frame is copied.
// What is not for another node of the network is lost.
func (n *Network) Send(now time.Duration, from view.Member, to view.ID, link uint8, frame []byte) {
	if to == from.ID || to == view.Nobody || int(to) > n.nodes || int(link) > n.links {
		n.counts.Lost++
		return
	}
	n.serial++
	d := Datagram{From: from, To: to, Link: link, Serial: n.serial}
	if link != 0 {
		n.send(now, d, frame)
		return
	}
	for l := range n.links {
		d.Link = uint8(l + 1)
		n.send(now, d, frame)
	}
}

func (n *Network) send(now time.Duration, d Datagram, frame []byte) {
	n.counts.Sent++
	w := n.way(d.From.ID, d.To, d.Link)
	if w.cut {
		n.counts.Cut++
		return
	}
	f := &w.faults
	if n.Alter != nil {
		other := n.Alter(&d, frame, *f)
		f = &other
	}
	if n.lose(w, f) {
		n.counts.Lost++
		return
	}
	at := now + f.Delay
	if f.Jitter > 0 {
		at += time.Duration(n.rng.Int64N(int64(f.Jitter)))
	}
	at = max(at, w.clear)
	if n.happens(f.Reorder) {
		n.counts.Reordered++
		at += 1 + time.Duration(n.rng.Int64N(int64(f.Late)+1))
	} else {
		w.clear = at
	}
	n.launch(at, d, frame, f)
	if n.happens(f.Duplicate) {
		n.counts.Duplicated++
		n.launch(at+time.Duration(n.rng.Int64N(int64(f.Late)+1)), d, frame, f)
	}
}

// lose decides whether a datagram is lost, alone or in a burst.
func (n *Network) lose(w *way, f *Faults) bool {
	if w.burst > 0 {
		w.burst--
		return true
	}
	if n.happens(f.Burst) {
		w.burst = n.rng.IntN(f.BurstMost)
		return true
	}
	return n.happens(f.Loss)
}

func (n *Network) happens(chance float64) bool { return chance > 0 && n.rng.Float64() < chance }

// launch puts one copy on the way.
func (n *Network) launch(at time.Duration, d Datagram, frame []byte, f *Faults) {
	if n.sky.Len() >= datagramsMax {
		n.counts.Overrun++
		return
	}
	var copied []byte
	if k := len(n.spare); k > 0 {
		copied, n.spare = n.spare[k-1][:0], n.spare[:k-1]
	}
	d.Frame = append(copied, frame...)
	if n.happens(f.Damage) && len(d.Frame) > 0 {
		n.counts.Damaged++
		d.Frame = n.damage(d.Frame)
	}
	n.sky.Push(at, d)
}

// damage flips up to three bits, or cuts the end off.
func (n *Network) damage(frame []byte) []byte {
	if n.rng.IntN(4) == 0 {
		return frame[:n.rng.IntN(len(frame))]
	}
	for range 1 + n.rng.IntN(3) {
		bit := n.rng.IntN(8 * len(frame))
		frame[bit/8] ^= 1 << (bit % 8)
	}
	return frame
}

// Next is when the next datagram arrives; false if none is on the way.
func (n *Network) Next() (time.Duration, bool) { return n.sky.Next() }

// Arrive takes the next datagram from the network. There must be one.
func (n *Network) Arrive() (time.Duration, Datagram) {
	if n.last != nil {
		n.spare = append(n.spare, n.last)
	}
	at, d := n.sky.Pop()
	n.last = d.Frame
	n.counts.Arrived++
	return at, d
}

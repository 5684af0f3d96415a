package stateproxy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// pair is two proxies joined by a queue each way, in virtual time.
type pair struct {
	t     testing.TB
	now   time.Time
	m     [2]*Machine
	out   [2]Output
	wires [2][][]byte                 // to 0, to 1
	lose  func(to int, b []byte) bool // nil: nothing is lost
	seen  []trace.Event
	got   [2]map[string]string // external caches as delivered
	gone  [2]int               // deliveries of Delete
	lives [2]view.Incarnation
	tune  func(*Config)
}

func newPair(t testing.TB, tune func(*Config)) *pair {
	p := &pair{t: t, now: time.Unix(1000, 0), tune: tune}
	for i := range p.m {
		p.boot(i)
	}
	return p
}

// boot starts a life of node i.
func (p *pair) boot(i int) {
	p.lives[i]++
	cfg := Config{
		Self:  view.Member{ID: view.ID(i + 1), Incarnation: p.lives[i]},
		Peers: []view.ID{view.ID(2 - i)},
		Recorder: trace.RecorderFunc(func(e trace.Event) {
			p.seen = append(p.seen, e)
		}),
		Coalesce: 2 * time.Millisecond,
	}
	if p.tune != nil {
		p.tune(&cfg)
	}
	m, err := New(cfg, Recovered{}, rand.New(rand.NewPCG(1, uint64(i))))
	if err != nil {
		p.t.Fatal(err)
	}
	p.m[i], p.got[i] = m, map[string]string{}
	m.Start(p.now, &p.out[i])
	p.collect(i)
}

// collect takes what node i put out.
func (p *pair) collect(i int) {
	for _, e := range p.out[i].Send {
		if p.lose == nil || !p.lose(1-i, e.Frame) {
			p.wires[1-i] = append(p.wires[1-i], append([]byte(nil), e.Frame...))
		}
	}
	for _, d := range p.out[i].Deliver {
		switch d.Verb {
		case Put, Change:
			p.got[i][string(d.Key)] = string(d.State)
		case Delete:
			delete(p.got[i], string(d.Key))
			p.gone[i]++
		}
	}
	p.out[i].Reset()
}

// run lets d pass: datagrams take no time, timers fire when due.
func (p *pair) run(d time.Duration) {
	end := p.now.Add(d)
	for {
		p.exchange()
		next := end
		for i := range p.m {
			if at := p.m[i].Deadline(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if next.After(p.now) {
			p.now = next
		}
		if !p.now.Before(end) {
			return
		}
		for i := range p.m {
			p.m[i].Tick(p.now, &p.out[i])
			p.collect(i)
		}
	}
}

func (p *pair) exchange() {
	for len(p.wires[0])+len(p.wires[1]) > 0 {
		for i := range p.m {
			batch := p.wires[i]
			p.wires[i] = nil
			for _, b := range batch {
				_, payload, why := wire.Open(b)
				if why != wire.OK {
					p.t.Fatalf("a frame of our own is %v", why)
				}
				p.m[i].Receive(p.now, view.Member{ID: view.ID(2 - i), Incarnation: p.lives[1-i]}, payload, &p.out[i])
				p.collect(i)
			}
		}
	}
}

func (p *pair) put(i int, k, v string) { p.m[i].Put(p.now, []byte(k), []byte(v)) }
func (p *pair) del(i int, k string)    { p.m[i].Delete(p.now, []byte(k)) }

// holds checks that node i's external cache, as delivered and as kept, is want.
func (p *pair) holds(i int, want map[string]string) {
	p.t.Helper()
	kept := map[string]string{}
	p.m[i].Held(view.ID(2-i), 0, 1<<30, func(k, v []byte) { kept[string(k)] = string(v) })
	if fmt.Sprint(kept) != fmt.Sprint(want) {
		p.t.Errorf("node %d keeps %v, want %v", i+1, kept, want)
	}
	if fmt.Sprint(p.got[i]) != fmt.Sprint(want) {
		p.t.Errorf("node %d was delivered %v, want %v", i+1, p.got[i], want)
	}
}

func (p *pair) proof(i int, want ProofState) Proof {
	p.t.Helper()
	proof := p.m[i].Proof(p.now, view.ID(2-i))
	if proof.State != want {
		p.t.Errorf("node %d's proof of its peer is %v, want %v: %+v", i+1, proof.State, want, proof)
	}
	return proof
}

func (p *pair) count(k trace.Kind) int {
	n := 0
	for _, e := range p.seen {
		if e.Kind == k {
			n++
		}
	}
	return n
}

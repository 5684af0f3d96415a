package peers

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/order"
	machine "github.com/holdfast-ha/holdfast/protocol/replica/peers"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// peer is one process.
type peer struct {
	world.Host
	w      *peers
	client int // what the court calls it, in all its lives

	cohort   *cohort.Node
	group    *cohort.Group
	out      cohort.Output
	machine  *machine.Machine
	put      machine.Output
	user     user
	states   map[view.Name][]byte // that joiners fetch
	asks     []cohort.Delivery
	serve    []view.Name
	incoming []byte
	leaving  bool
	epoch    view.Epoch // of the last view
	restart  bool
}

// boot begins a life that knows nothing.
func (p *peer) boot() {
	w := p.w
	p.Self.Incarnation = max(p.Self.Incarnation, view.Incarnation(w.Now))
	w.Boot(&p.Host, w.opt.drift, true)
	w.Did("boots", p.Self, view.Member{})
	p.out, p.put, p.states, p.asks, p.serve, p.incoming, p.leaving, p.restart = cohort.Output{}, machine.Output{}, map[view.Name][]byte{}, nil, nil, nil, false, false
	cfg := cohort.NodeConfig{
		Self: p.Self, Fingerprint: fingerprint, Links: 1, Heartbeat: heartbeat,
		SuspectAfter: w.opt.suspectAfter, Recorder: trace.RecorderFunc(w.record),
	}
	var seats []view.Seat
	for i := range w.all {
		cfg.Candidates = append(cfg.Candidates, cohort.Candidate{ID: view.ID(i + 1), Name: fmt.Sprint("node", i+1), Votes: 1})
		seats = append(seats, view.Seat{Member: view.Member{ID: view.ID(i + 1)}, Votes: 1})
	}
	var err error
	if p.cohort, err = cohort.New(cfg, rand.New(rand.NewPCG(w.Rng.Uint64(), 0))); err != nil {
		panic(fmt.Sprintf("peers: a drawn configuration is refused: %v", err))
	}
	now := w.Read(&p.Host)
	p.cohort.Start(now, &p.out)
	p.machine, err = machine.New(now, machine.Config{Self: p.Self, Seats: seats, Lease: w.opt.lease, New: p.service})
	if err != nil {
		panic(fmt.Sprintf("peers: a drawn lease is refused: %v", err))
	}
	p.group, err = p.cohort.Join(now, cohort.GroupConfig{Name: "locks", Engine: order.Lamport, Stateful: true}, &p.out)
	if err != nil {
		panic(fmt.Sprintf("peers: a group is refused: %v", err))
	}
	p.user.boot(p)
	p.after()
}

// service makes a replica that the court hears of.
func (p *peer) service(floor uint64, window time.Duration) machine.Service {
	s, err := lock.New(lock.Config{Floor: floor, Window: window})
	if err != nil {
		panic(fmt.Sprintf("peers: a floor of %d is refused: %v", floor, err))
	}
	return &witness{s, p}
}

// crash ends the life.
func (p *peer) crash(what string) {
	p.w.Did(what, p.Self, view.Member{})
	p.w.hear(&service.Fact{Kind: service.Crashed, Client: p.client})
	p.End()
	p.Host.Work = world.Never
	p.cohort, p.group, p.machine = nil, nil, nil
	p.user.die()
}

// bootLater begins the next life after a time.
func (p *peer) bootLater() {
	p.w.After(p.w.UpTo(p.w.opt.downMost), func() {
		if !p.Up {
			p.boot()
		}
	})
}

// leave gives everything back and leaves the group.
func (p *peer) leave() {
	p.w.Did("leaves", p.Self, view.Member{})
	p.leaving = true
	p.user.quit()
	p.machine.Close(p.w.Read(&p.Host), &p.put)
	p.after()
}

// Receive takes a datagram.
func (p *peer) Receive(d *simnet.Datagram) {
	p.cohort.Receive(p.w.Read(&p.Host), d.From, d.Link, d.Frame, &p.out)
	p.after()
}

// Tick lets the process do what is due.
func (p *peer) Tick() {
	now := p.w.Read(&p.Host)
	p.cohort.Tick(now, &p.out)
	p.machine.Tick(now, &p.put)
	p.after()
}

// Work lets the user do something.
func (p *peer) Work() {
	p.Host.Work = p.w.Now + 1 + p.w.Interval(p.w.opt.every)
	if !p.leaving {
		p.user.work()
	}
	p.after()
}

// resume ends a pause.
func (p *peer) resume() {
	p.w.Resume(&p.Host)
	if p.w.Rng.IntN(2) == 0 {
		p.user.work() // before anything that has come meanwhile is looked at
	}
	if p.w.Rng.IntN(2) == 0 {
		p.w.Tick(&p.Host)
	}
	p.w.Drain(&p.Host)
	if p.Runs() {
		p.after()
	}
}

// after ends a step: deliveries go to the machine, which may ask for more.
func (p *peer) after() {
	w := p.w
	for p.Runs() {
		w.Report.Steps++
		p.act()
		p.cohort.Flush(w.Read(&p.Host), &p.out)
		deliver := p.out.Deliver
		for i := range p.out.Send {
			if p.send(&p.out.Send[i]) {
				return
			}
		}
		p.out = cohort.Output{}
		departed := false
		for i := range deliver {
			p.heed(&deliver[i])
			departed = departed || deliver[i].Kind == cohort.Departed
		}
		if departed {
			p.crash("has left")
			p.bootLater()
			return
		}
		p.act()
		if len(deliver) == 0 && len(p.out.Send) == 0 && len(p.out.Deliver) == 0 {
			break
		}
	}
	if p.Runs() {
		d := p.cohort.Deadline()
		if r := p.machine.Deadline(); d.IsZero() || !r.IsZero() && r.Before(d) {
			d = r
		}
		w.Schedule(&p.Host, d)
	}
}

// act does what the machine has put out, and what the group has asked for.
func (p *peer) act() {
	now := p.w.Read(&p.Host)
	for range 100 {
		put := p.put
		p.put = machine.Output{}
		for _, m := range put.Multicast {
			if _, ok := p.group.Multicast(now, order.Total|order.FIFO|order.Uniform, m, &p.out); !ok && !p.leaving {
				panic("peers: the group takes no message")
			}
		}
		if !p.user.heed(&put) {
			break
		}
	}
	for _, cut := range p.serve {
		p.group.Serve(now, cut, uint64(len(p.states[cut])), true)
	}
	p.serve = p.serve[:0]
	for i := range p.asks {
		d := &p.asks[i]
		if data, is := p.states[d.View.Name]; is && d.Number <= uint64(len(data)) {
			end := min(uint64(len(data)), d.Number+d.Last)
			p.group.Chunk(now, d.View.Name, d.Peer, d.Number, data[d.Number:end], end == uint64(len(data)), &p.out)
		}
	}
	p.asks = p.asks[:0]
	if p.restart {
		p.restart = false
		p.group.Restart(now, true, &p.out)
	}
}

// heed gives the machine a delivery.
func (p *peer) heed(d *cohort.Delivery) {
	now := p.w.Read(&p.Host)
	switch d.Kind {
	case cohort.Viewed:
		p.epoch = d.View.Name.Epoch
		if p.w.latest == nil || p.w.latest.Name.Less(d.View.Name) {
			p.w.latest = d.View
		}
		p.machine.Viewed(now, d.View, d.Former, &p.put)
	case cohort.Message:
		p.machine.Delivered(now, d.From, d.Append(nil), &p.put)
	case cohort.Expelled, cohort.Merging, cohort.Departed, cohort.StateFailed:
		p.machine.Out(now, &p.put)
	case cohort.StateBegan:
		p.incoming = nil
		p.machine.Out(now, &p.put)
	case cohort.StateChunk:
		p.incoming = append(p.incoming, d.Payload...)
	case cohort.StateDone:
		if err := p.machine.Restore(now, bytes.NewReader(p.incoming), &p.put); err != nil {
			panic(fmt.Sprintf("peers: a state is refused: %v", err))
		}
	case cohort.Wanted:
		var b bytes.Buffer
		if err := p.machine.Snapshot(&b); err != nil {
			panic(err)
		}
		p.states[d.View.Name] = b.Bytes()
		p.serve = append(p.serve, d.View.Name)
	case cohort.ChunkWanted:
		p.asks = append(p.asks, *d)
	case cohort.Unwanted:
		delete(p.states, d.View.Name)
	}
}

// send gives an envelope to the network, and says whether the process crashed at it.
func (p *peer) send(e *wire.Envelope) bool {
	w := p.w
	if w.trapped(p, e) {
		p.crash("crashes in the middle of a step")
		p.bootLater()
		return true
	}
	if e.To != view.Everyone {
		w.Net.Send(w.Now, p.Self, e.To, e.Link, e.Frame)
		return false
	}
	for _, id := range e.Members {
		w.Net.Send(w.Now, p.Self, id, e.Link, e.Frame)
	}
	return false
}

// read is what the process's clock shows.
func (p *peer) read() time.Time { return p.w.Read(&p.Host) }

package servers

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/replica/checkpointed"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// storeOptions are how a store that both servers reach is, and what happens to it. A mean interval of zero means never.
type storeOptions struct {
	on            bool          // else the two are a pair, of which the backup answers
	every         time.Duration // between two checkpoints
	sever, refuse time.Duration
	severMost     time.Duration
}

// drawStore draws them from a source of its own: a third of the seeds have a store.
func drawStore(seed uint64) storeOptions {
	r := rand.New(rand.NewPCG(seed, 8))
	return storeOptions{
		on: r.IntN(3) == 0, every: pick(r, 30*time.Millisecond, 200*time.Millisecond, 5*time.Second),
		sever: pick(r, 0, 300*time.Millisecond, time.Second), refuse: pick(r, 0, 0, time.Second), severMost: pick(r, 20*time.Millisecond, time.Second),
	}
}

// keeper is the store as the court knows it: a replica that has executed what is recorded there.
var keeper = view.Member{ID: 9, Incarnation: 1}

var errBroken = errors.New("the way to the store is broken")

// store is what both servers reach, of which one writes.
type store struct {
	epoch      view.Epoch
	writes     uint64
	index      uint64
	checkpoint []byte
	entries    []entry
}

type entry struct {
	index uint64
	data  []byte
}

// desk is a process's way to the store, which does one thing after another.
type desk struct {
	asked   []write
	results []checkpointed.Result // for the present life
	busy    bool                  // the store is at the first
	severed bool                  // nothing gets there
	broken  view.Incarnation      // nothing of this life is taken, nor of those before
}

// write is an operation on its way, and what the court is told when it is done.
type write struct {
	op   checkpointed.Operation
	fact service.Fact
	life view.Incarnation
}

// ask sends the store what a process asks of it.
func (p *process) ask() {
	if p.member == nil {
		return
	}
	for _, op := range p.member.Operations() {
		x := write{op: op, life: p.Self.Incarnation}
		if op.Kind == checkpointed.Record {
			x.fact = p.state.Fact(keeper, op.Index)
		}
		p.desk.asked = append(p.desk.asked, x)
	}
	p.work()
}

// work lets the store do the oldest operation of a process.
func (p *process) work() {
	d, w := &p.desk, p.w
	if d.busy || len(d.asked) == 0 {
		return
	}
	d.busy = true
	w.After(1+w.UpTo(w.opt.syncMost), func() {
		d.busy = false
		switch {
		case len(d.asked) == 0:
		case d.severed:
			d.busy = true
			w.After(5*time.Millisecond, func() {
				d.busy = false
				p.work()
			})
		default:
			x := d.asked[0]
			d.asked = d.asked[1:]
			p.did(&x)
			p.work()
		}
	})
}

// did does an operation, and lets the process know some time later.
func (p *process) did(x *write) {
	w := p.w
	results := []checkpointed.Result{{Serial: x.op.Serial, Err: errBroken}}
	if x.life > p.desk.broken {
		results = w.store.do(&x.op)
	}
	if x.op.Kind == checkpointed.Record && results[0].Err == nil {
		w.most = max(w.most, x.op.Index)
		w.hear(&x.fact)
	}
	if p.Up && p.Self.Incarnation == x.life {
		p.desk.results = append(p.desk.results, results...)
		w.After(50*time.Microsecond, p.learn)
	}
}

// learn tells a process what the store has said, if it runs.
func (p *process) learn() {
	for p.Runs() && len(p.desk.results) > 0 {
		r := p.desk.results[0]
		p.desk.results = p.desk.results[1:]
		p.member.Done(p.w.Read(&p.Host), &r)
		p.after()
	}
}

// do does an operation.
func (s *store) do(op *checkpointed.Operation) []checkpointed.Result {
	r := checkpointed.Result{Serial: op.Serial}
	switch {
	case op.Kind == checkpointed.Look:
		r.Epoch, r.Writes = s.epoch, s.writes
	case op.Kind == checkpointed.Claim:
		if op.Epoch <= s.epoch {
			r.Err = checkpointed.ErrFenced
		}
		s.epoch = max(s.epoch, op.Epoch)
		r.Epoch = s.epoch
	case op.Kind == checkpointed.Load:
		return s.load(op.Serial)
	case op.Epoch < s.epoch:
		r.Err = checkpointed.ErrFenced
	default:
		s.write(op)
	}
	return []checkpointed.Result{r}
}

func (s *store) write(op *checkpointed.Operation) {
	s.writes++
	switch op.Kind {
	case checkpointed.Record:
		s.entries = append(s.entries, entry{op.Index, bytes.Clone(op.Data)})
	case checkpointed.Checkpoint:
		s.index, s.checkpoint = op.Index, bytes.Clone(op.Data)
		for len(s.entries) > 0 && s.entries[0].index <= s.index {
			s.entries = s.entries[1:]
		}
	}
}

// load gives the checkpoint in pieces, and the records since.
func (s *store) load(serial uint64) []checkpointed.Result {
	const pieceSize = 50
	var all []checkpointed.Result
	for b := s.checkpoint; len(b) > 0; {
		n := min(pieceSize, len(b))
		all = append(all, checkpointed.Result{Serial: serial, Part: checkpointed.Piece, Data: b[:n]})
		b = b[n:]
	}
	for _, e := range s.entries {
		all = append(all, checkpointed.Result{Serial: serial, Part: checkpointed.Entry, Index: e.index, Data: e.data})
	}
	return append(all, checkpointed.Result{Serial: serial, Part: checkpointed.End})
}

// fall ends a process's way to the store: some of what it has asked for gets there still.
func (p *process) fall() {
	d := &p.desk
	d.asked, d.results = d.asked[:p.w.Rng.IntN(len(d.asked)+1)], nil
}

// mend ends what was done to it.
func (p *process) mend() {
	p.desk.busy, p.desk.severed = false, false
	p.work()
	p.learn()
}

func (w *servers) severOne() {
	p := w.one()
	if d := &p.desk; p.member != nil && !d.severed {
		w.faults++
		d.severed = true
		w.Did("does not reach the store", p.Self, view.Member{})
		w.After(w.UpTo(w.opt.store.severMost), func() { d.severed = false })
	}
}

func (w *servers) refuseOne() {
	if p := w.one(); p.Up && p.member != nil {
		w.faults++
		p.desk.broken = p.Self.Incarnation
		w.Did("is refused by the store", p.Self, view.Member{})
	}
}

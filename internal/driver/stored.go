package driver

import (
	"errors"
	"sync"

	"github.com/holdfast-ha/holdfast/protocol/replica/checkpointed"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Store is what two servers reach, of which one writes. internal/edge/disk has it. Each method waits for
// the disk; fenced says that it belongs to a later epoch.
type Store interface {
	Look() (epoch, writes uint64, err error)
	Claim(epoch uint64) (now uint64, fenced bool, err error)
	Load(epoch uint64, piece func([]byte), entry func(index uint64, data []byte)) (fenced bool, err error)
	Record(epoch, first uint64, records [][]byte) (fenced bool, err error)
	Checkpoint(epoch, index uint64, data []byte) (fenced bool, err error)
	Beat(epoch uint64) (fenced bool, err error)
	Close() error
}

// storing lets a goroutine of its own do what a member asks of the store.
type storing struct {
	store   Store
	running sync.WaitGroup

	mu      sync.Mutex
	asked   []checkpointed.Operation
	busy    bool
	results []checkpointed.Result
}

// openStore opens the store of two servers.
func (r *Replica) openStore() error {
	s, err := r.cfg.Two.Store(r.clusterKey(), r.c.cfg.Node.Self.ID)
	if err != nil {
		return full(r.cfg.Group.Name, err)
	}
	r.storing = &storing{store: s}
	return nil
}

// takeOver makes this process's part in a process pair. The owner calls it.
func (r *Replica) takeOver(peer view.ID) {
	c := r.c
	node := &c.cfg.Node
	m, err := duo.JoinCheckpointed(c.time, c.node, duo.CheckpointedConfig{
		Config: duo.Config{
			Name: r.cfg.Group.Name, Self: node.Self, Peer: peer, Preferred: r.cfg.Two.Preferred, Terms: r.cfg.Two.Terms, Fingerprint: node.Fingerprint,
			Heartbeat: node.Heartbeat, SuspectAfter: node.SuspectAfter, Executor: r.exec, Recorder: trace.RecorderFunc(c.journal.record),
		},
		Every: r.cfg.Two.Every,
	})
	if err != nil {
		r.end(err)
		return
	}
	r.replica = m
	c.replicas = append(c.replicas, r)
}

// store has the store do what the member asks. The owner calls it.
func (r *Replica) store() {
	s := r.storing
	if s == nil {
		return
	}
	ops := r.replica.(*duo.Member).Operations()
	if len(ops) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, ops...)
	if !s.busy {
		s.busy = true
		s.running.Go(func() { r.work(s) })
	}
}

// stored tells what the store has done. The owner calls it.
func (r *Replica) stored() {
	s := r.storing
	if s == nil {
		return
	}
	s.mu.Lock()
	results := s.results
	s.results = nil
	s.mu.Unlock()
	for i := range results {
		r.replica.(*duo.Member).Done(r.c.time, &results[i])
	}
}

// work does what is asked until nothing is.
func (r *Replica) work(s *storing) {
	for {
		s.mu.Lock()
		ops := s.asked
		if s.asked = nil; len(ops) == 0 {
			s.busy = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for len(ops) > 0 {
			n := s.do(ops)
			ops = ops[n:]
			r.c.notify(dueDisk)
		}
	}
}

// do does the first operation, or all records that it is the first of. It says how many.
func (s *storing) do(ops []checkpointed.Operation) int {
	op := &ops[0]
	answer := checkpointed.Result{Serial: op.Serial}
	var fenced bool
	var err error
	switch op.Kind {
	case checkpointed.Look:
		var epoch uint64
		epoch, answer.Writes, err = s.store.Look()
		answer.Epoch = view.Epoch(epoch)
	case checkpointed.Claim:
		var epoch uint64
		epoch, fenced, err = s.store.Claim(uint64(op.Epoch))
		answer.Epoch = view.Epoch(epoch)
	case checkpointed.Load:
		fenced, err = s.load(op)
		answer.Part = checkpointed.End
	case checkpointed.Record:
		return s.record(ops)
	case checkpointed.Checkpoint:
		fenced, err = s.store.Checkpoint(uint64(op.Epoch), op.Index, op.Data)
	case checkpointed.Beat:
		fenced, err = s.store.Beat(uint64(op.Epoch))
	}
	answer.Err = verdictOf(fenced, err)
	s.answer(answer)
	return 1
}

func verdictOf(fenced bool, err error) error {
	if err == nil && fenced {
		return checkpointed.ErrFenced
	}
	return err
}

// record does all records that follow one another with one wait for the disk.
func (s *storing) record(ops []checkpointed.Operation) int {
	var records [][]byte
	for i := range ops {
		if op := &ops[i]; op.Kind != checkpointed.Record || op.Epoch != ops[0].Epoch || op.Index != ops[0].Index+uint64(i) {
			break
		}
		records = append(records, ops[i].Data)
	}
	fenced, err := s.store.Record(uint64(ops[0].Epoch), ops[0].Index, records)
	for i := range records {
		s.answer(checkpointed.Result{Serial: ops[i].Serial, Err: verdictOf(fenced, err)})
	}
	return len(records)
}

// load hands over what is in the store.
func (s *storing) load(op *checkpointed.Operation) (fenced bool, err error) {
	return s.store.Load(uint64(op.Epoch),
		func(b []byte) { s.answer(checkpointed.Result{Serial: op.Serial, Part: checkpointed.Piece, Data: b}) },
		func(index uint64, b []byte) {
			s.answer(checkpointed.Result{Serial: op.Serial, Part: checkpointed.Entry, Index: index, Data: b})
		})
}

func (s *storing) answer(a checkpointed.Result) {
	s.mu.Lock()
	s.results = append(s.results, a)
	s.mu.Unlock()
}

// ErrNoStore is what Checkpoint says of a service that has no store.
var ErrNoStore = errors.New("the service has no store that two servers reach")

// Checkpoint has the state saved now, where this member serves from a store.
func (r *Replica) Checkpoint() error {
	if r.storing == nil {
		return ErrNoStore
	}
	if !r.c.Do(func() {
		if m, is := r.replica.(*duo.Member); is {
			m.Checkpoint(r.c.time)
		}
	}) {
		return ErrClosed
	}
	return nil
}

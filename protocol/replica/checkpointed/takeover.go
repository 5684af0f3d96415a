package checkpointed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// loaded is what has come from the store so far.
type loaded struct {
	serial     uint64 // of the Load
	checkpoint []byte
	restored   bool
	reply      []byte // to what is executed again: it was given, or nobody was to have it
}

// next is the epoch in which this member may claim the store: above all that are known, and of those
// two numbers that are its own.
func (m *Machine) next() view.Epoch {
	round := m.highest/2 + 1
	if m.cfg.Preferred == m.cfg.Self.ID {
		return 2*round + 1
	}
	return 2 * round
}

// claim begins to take over.
func (m *Machine) claim(now time.Time, out *Output) {
	m.role, m.epoch = Claiming, m.next()
	m.highest = m.epoch
	m.record(now, trace.Promoting, uint64(m.epoch), 0)
	if canary == LoadsFirst {
		m.load(now, out)
	}
	m.put(now, Claim, 0, nil, out)
}

// claimed takes the store's answer.
func (m *Machine) claimed(now time.Time, r *Result, out *Output) {
	if m.role != Claiming {
		return
	}
	if canary == LoadsFirst {
		if r.Err == nil {
			m.resume(now, out)
		}
		return
	}
	if r.Err != nil {
		m.highest = max(m.highest, r.Epoch)
		m.resign(now, replica.Fenced, nil, out)
		return
	}
	m.load(now, out)
}

func (m *Machine) load(now time.Time, out *Output) {
	m.put(now, Load, 0, nil, out)
	m.loaded = loaded{serial: m.desk.serial, checkpoint: m.loaded.checkpoint[:0]}
}

var (
	errEmpty = errors.New("checkpointed: the store has no checkpoint, though this member has executed commands of it: it is another store")
	errLarge = errors.New("checkpointed: the state is larger than 2 GiB, which is the most that can be saved")
)

// read takes a part of what is in the store.
func (m *Machine) read(now time.Time, r *Result, out *Output) {
	l := &m.loaded
	if m.role != Claiming || r.Serial != l.serial {
		return
	}
	switch r.Part {
	case Piece:
		if len(l.checkpoint)+len(r.Data) > snapshotMax {
			m.halt(0, nil, errLarge, out)
			return
		}
		l.checkpoint = append(l.checkpoint, r.Data...)
	case Entry:
		if m.restore(out) && canary != SkipsLog {
			m.replay(r, out)
		}
	case End:
		if m.restore(out) && canary != LoadsFirst {
			m.resume(now, out)
		}
	}
}

// restore restores the checkpoint once all of it is here; false if there is nothing to go on with.
func (m *Machine) restore(out *Output) bool {
	l := &m.loaded
	if l.restored {
		return m.role == Claiming
	}
	l.restored = true
	if len(l.checkpoint) == 0 && m.saved == 0 {
		l.checkpoint = m.nothing // what was executed since was answered to nobody
	}
	if len(l.checkpoint) == 0 {
		if m.exec.Index() != 0 {
			m.halt(0, nil, errEmpty, out)
		}
		return m.role == Claiming
	}
	if err := m.exec.Restore(bytes.NewReader(l.checkpoint)); err != nil {
		m.halt(0, nil, err, out)
		return false
	}
	m.checked, m.sinceBytes = m.exec.Index(), 0
	l.checkpoint = nil
	return true
}

// replay executes a record.
func (m *Machine) replay(r *Result, out *Output) {
	index := m.exec.Index() + 1
	switch {
	case r.Index < index:
		return // it is in the checkpoint
	case r.Index > index || len(r.Data) < entryHead:
		m.halt(index, nil, fmt.Errorf("checkpointed: the store gives a record of %d bytes for command %d, and command %d is needed", len(r.Data), r.Index, index), out)
		return
	}
	m.loaded.reply = m.exec.Execute(r.Data[entryHead:], m.loaded.reply[:0])
	m.sinceBytes += len(r.Data)
	if m.exec.Digest() != binary.BigEndian.Uint64(r.Data) {
		m.halt(index, r.Data[entryHead:], nil, out)
	}
}

// resume begins to serve.
func (m *Machine) resume(now time.Time, out *Output) {
	first := m.exec.Index() == 0
	m.role, m.saved = Primary, m.exec.Index()
	m.checking, m.wanted = false, false
	m.checkAt = now.Add(m.cfg.Every)
	m.storeAt = now
	m.rebase(now) // while nobody served, the agreed time stood still
	verb := replica.Resumed
	if first {
		verb = replica.Founded
		m.Checkpoint(now, out) // a store that was ever used has one
	}
	out.Do = append(out.Do, replica.Command{Verb: verb, Epoch: m.epoch, Index: m.saved, Sure: true})
	m.record(now, trace.Activated, uint64(m.epoch), 0)
	m.tell(now, out)
}

// resign gives up serving, or to take over. What was executed and not saved was answered to nobody.
func (m *Machine) resign(now time.Time, why replica.Verb, err error, out *Output) {
	out.Do = append(out.Do, replica.Command{Verb: why, Epoch: m.epoch, Index: m.saved, Sure: true, Err: err})
	m.record(now, trace.Yielded, uint64(m.epoch), 0)
	m.role, m.epoch, m.checking = Standby, 0, false
	m.owed.Clear()
	m.watch.reset(now.Add(m.cfg.Heartbeat))
	m.tell(now, out)
}

// halt ends it all.
func (m *Machine) halt(index uint64, request []byte, err error, out *Output) {
	m.role = Stopped
	m.owed.Clear()
	request = slices.Clone(request[:min(len(request), headMax)])
	out.Do = append(out.Do, replica.Command{Verb: replica.Halted, Epoch: m.epoch, Index: index, Sure: true, Request: request, Err: err})
}

// snapshot takes a snapshot's bytes.
type snapshot struct{ b []byte }

// Write keeps bytes.
func (s *snapshot) Write(p []byte) (int, error) {
	if len(s.b)+len(p) > snapshotMax {
		return 0, errLarge
	}
	s.b = append(s.b, p...)
	return len(p), nil
}

package checkpointed

import (
	"errors"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

var errSilent = errors.New("checkpointed: the store does not answer")

// issue is an operation that is not answered yet.
type issue struct {
	serial uint64
	kind   Kind
	epoch  view.Epoch
	index  uint64
	at     time.Time
}

// desk is where operations are given to the store, and their answers come back.
type desk struct {
	serial uint64
	issues []issue
	done   int // of issues
	failed bool
}

func (d *desk) open() bool { return d.done < len(d.issues) }

// lateAt is when the store is taken for silent; zero: nothing is asked of it.
func (d *desk) lateAt(patience time.Duration) time.Time {
	if !d.open() {
		return time.Time{}
	}
	return d.issues[d.done].at.Add(patience)
}

func (d *desk) late(now time.Time, patience time.Duration) bool {
	return d.open() && !now.Before(d.lateAt(patience))
}

// excuse adds to the store's time what this member was not run.
func (d *desk) excuse(gap time.Duration) {
	for i := d.done; i < len(d.issues); i++ {
		d.issues[i].at = d.issues[i].at.Add(gap)
	}
}

// put asks the store for something.
func (m *Machine) put(now time.Time, kind Kind, index uint64, data []byte, out *Output) {
	d := &m.desk
	if d.done > len(d.issues)/2 {
		n := copy(d.issues, d.issues[d.done:])
		d.issues, d.done = d.issues[:n], 0
	}
	d.serial++
	d.issues = append(d.issues, issue{d.serial, kind, m.epoch, index, now})
	out.Store = append(out.Store, Operation{Kind: kind, Serial: d.serial, Epoch: m.epoch, Index: index, Data: data})
}

// Done takes an answer of the store.
func (m *Machine) Done(now time.Time, r *Result, out *Output) {
	m.enter(now)
	d := &m.desk
	if !d.open() || d.issues[d.done].serial != r.Serial {
		panic("checkpointed: the store answers something else than the oldest operation that is open")
	}
	op := &d.issues[d.done]
	op.at = now // of a Load more is to come
	kind, epoch, index := op.kind, op.epoch, op.index
	if kind != Load || r.Part == End || r.Err != nil {
		d.done++
		if d.open() {
			d.issues[d.done].at = now // the store is at it now
		}
	}
	if m.role == Stopped {
		return
	}
	if r.Err != nil && !errors.Is(r.Err, ErrFenced) {
		d.failed = true
		m.resign(now, replica.Resigned, r.Err, out)
		return
	}
	switch kind {
	case Look:
		m.looked(now, r, out)
	case Claim:
		if m.epoch == epoch {
			m.claimed(now, r, out)
		}
	case Load:
		m.read(now, r, out)
	case Record, Checkpoint, Beat:
		if m.role == Primary && m.epoch == epoch {
			m.wrote(now, kind, index, r.Err, out)
		}
	}
}

// wrote takes the answer to a write of the present epoch.
func (m *Machine) wrote(now time.Time, kind Kind, index uint64, err error, out *Output) {
	if err != nil && canary != IgnoresFence {
		m.resign(now, replica.Fenced, nil, out)
		return
	}
	switch kind {
	case Record:
		m.saved = index
		for ; m.owed.Len() > 0 && m.owed.At(0).Index <= index; m.owed.Pop() {
			owes := m.owed.At(0)
			out.Answer(owes.Client, append(out.Answers.Begin(), owes.Data...))
		}
	case Checkpoint:
		if m.checking = false; m.wanted {
			m.Checkpoint(now, out)
		}
	}
}

package duo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// The kinds of records, docs/rfc/0025-duo.md. None is one of protocol/stack/replicated's: a log of another style is refused.
const (
	recordCommand byte = 4 + iota // the digest after it (8) and the request as it was executed
	recordEpoch                   // an epoch (8), and of which life of the other it is (8), 0: of nobody
	recordBegun                   // in which life of this member the log was begun (8); the first record
)

// logMagic begins a snapshot; its last byte is the version. Epoch and mate follow, 8 bytes each, and the executor's snapshot.
const logMagic = "HFpair\x00\x01"

const epochSize = 1 + 8 + 8

// Log is what a member of a pair keeps on its disk: what its executor has executed, and in which epochs. It is the
// journal.State into which a journal is recovered; then [Log.Use] begins to write to that.
type Log struct {
	exec    *session.Executor
	journal replicated.Journal
	every   int // bytes of records between two snapshots
	epoch   view.Epoch
	mate    view.Incarnation
	born    view.Incarnation
	begun   bool // that is on the disk

	follows bool     // what the executor has is what is written here
	fresh   []byte   // records of this step, one behind the other
	ends    []int    // of each
	waiting [][]byte // records that the journal has no room for
	last    uint64   // index of the last record that was written or waits
	shifts  []shift
	saves   []epochAt
	logged  int    // bytes since the last snapshot
	offer   []byte // a snapshot as of record offered that the journal has not taken yet; nil: none
	offered uint64
	durable uint64 // record up to which the disk has all
	failure error
}

// shift says by how much the index of a record is greater than that of the last command up to it, from a record on.
type shift struct{ from, by uint64 }

// epochAt is an epoch on its way to the disk.
type epochAt struct {
	record uint64
	epoch  view.Epoch
}

// NewLog makes the log of an executor, which has executed nothing. A snapshot is taken after so many bytes of records; 0: 8 MiB.
func NewLog(exec *session.Executor, snapshotBytes int) *Log {
	if snapshotBytes <= 0 {
		snapshotBytes = snapshotDefault
	}
	return &Log{exec: exec, every: snapshotBytes, follows: true}
}

// Restore reads a snapshot from the disk.
func (l *Log) Restore(_ uint64, r io.Reader) error {
	var head [len(logMagic) + 16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("the snapshot's head: %w", err)
	}
	if string(head[:len(logMagic)]) != logMagic {
		return fmt.Errorf("the snapshot begins with %q and should with %q; it is not of a service of the style pair, or of a later version", head[:len(logMagic)], logMagic)
	}
	l.take(head[len(logMagic):])
	if err := l.exec.Restore(r); err != nil {
		return err
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n > 0 {
		return errors.Join(fmt.Errorf("%d bytes follow the executor's snapshot", n), err)
	}
	return nil
}

func (l *Log) take(b []byte) {
	l.epoch, l.mate = view.Epoch(binary.BigEndian.Uint64(b)), view.Incarnation(binary.BigEndian.Uint64(b[8:]))
}

// Apply executes, or notes, a record from the disk.
func (l *Log) Apply(_ uint64, record []byte) error {
	l.logged = l.every // see Use
	switch {
	case len(record) >= 9 && record[0] == recordCommand:
		l.exec.Execute(record[9:], nil)
		if got, was := l.exec.Digest(), binary.BigEndian.Uint64(record[1:]); got != was {
			return fmt.Errorf("after command %d the digest is %016x and was %016x: the program that wrote it executes it otherwise, or the service is not deterministic; "+
				"run the version that wrote it, or move the directory away, so that this server begins anew with the state of the other", l.exec.Index(), got, was)
		}
	case len(record) == epochSize && record[0] == recordEpoch:
		l.take(record[1:])
	case len(record) == 9 && record[0] == recordBegun:
		l.born, l.begun = view.Incarnation(binary.BigEndian.Uint64(record[1:])), true
	default:
		return fmt.Errorf("a record of %d bytes that is neither a command nor an epoch of the style pair; name the directory of this service, or run the version that has written it", len(record))
	}
	return nil
}

// Use begins to write: last is the index of the last record that was recovered. If there are any, a snapshot is taken soon, however
// few: each life begins a file of its own, and those of former lives would stay without one.
func (l *Log) Use(j replicated.Journal, last uint64) {
	l.journal, l.last, l.durable = j, last, last
	l.shifts = []shift{{0, last - l.exec.Index()}}
	l.exec.Watch(l.executed)
}

// Recovered is what the machine is to know of what was found.
func (l *Log) Recovered() pair.Recovered {
	return pair.Recovered{Known: l.epoch != 0, Epoch: l.epoch, Mate: l.mate, Born: l.born}
}

// begin writes in which life the log begins, if it is new.
func (l *Log) begin(life view.Incarnation) {
	if l.last == 0 && l.born == 0 {
		l.born = life
		l.shifts = []shift{{0, 1}}
		l.append(binary.BigEndian.AppendUint64([]byte{recordBegun}, uint64(life)))
	}
}

// executed makes the record of the command that has just been executed.
func (l *Log) executed(request []byte) {
	if !l.follows {
		return
	}
	l.fresh = binary.BigEndian.AppendUint64(append(l.fresh, recordCommand), l.exec.Digest())
	l.fresh = append(l.fresh, request...)
	l.ends = append(l.ends, len(l.fresh))
}

// lose notes that the executor has, or will have, another state than what is written.
func (l *Log) lose() {
	l.follows = false
	l.clear()
}

func (l *Log) clear() { l.fresh, l.ends = l.fresh[:0], l.ends[:0] }

// settle writes what a step has executed.
func (l *Log) settle() {
	from := 0
	for _, end := range l.ends {
		l.append(l.fresh[from:end])
		from = end
	}
	l.clear()
}

// enter writes an epoch, behind what was executed.
func (l *Log) enter(epoch view.Epoch, mate view.Incarnation) {
	l.settle()
	l.epoch, l.mate = epoch, mate
	l.shifts = append(l.shifts, shift{l.last + 1, l.last + 1 - l.exec.Index()})
	b := binary.BigEndian.AppendUint64([]byte{recordEpoch}, uint64(epoch))
	l.append(binary.BigEndian.AppendUint64(b, uint64(mate)))
	l.saves = append(l.saves, epochAt{l.last, epoch})
}

// replace puts the executor's state, and an epoch, in the place of all that is written.
func (l *Log) replace(epoch view.Epoch, mate view.Incarnation) {
	l.follows, l.epoch, l.mate = true, epoch, mate
	state, err := l.state()
	if err != nil {
		l.fail(err)
		return
	}
	l.clear()
	l.waiting, l.offer = nil, nil
	l.last, l.durable, l.logged = l.exec.Index()+1, 0, 0 // 0 is nothing
	l.shifts = []shift{{0, 1}}
	l.saves = []epochAt{{l.last, epoch}}
	l.fail(l.journal.Reset(l.last, bytes.NewReader(state)))
}

// append writes a record, or keeps it until the journal has room.
func (l *Log) append(record []byte) {
	if l.failure != nil {
		return
	}
	l.last++
	l.logged += len(record)
	if len(l.waiting) == 0 {
		switch _, err := l.journal.Append(record); {
		case err == nil:
			return
		case !errors.Is(err, journal.ErrFull) && !errors.Is(err, journal.ErrCrowded):
			l.fail(err)
			return
		}
	}
	l.waiting = append(l.waiting, bytes.Clone(record))
}

// fail notes the end, if there is an error. That a journal takes nothing more has a cause, which says more.
func (l *Log) fail(err error) {
	if errors.Is(err, journal.ErrFailed) {
		if c := l.journal.Completed(); c.Err != nil {
			err = c.Err
		}
	}
	if l.failure == nil {
		l.failure = err
	}
}

// state is a snapshot of the present.
func (l *Log) state() ([]byte, error) {
	head := binary.BigEndian.AppendUint64([]byte(logMagic), uint64(l.epoch))
	b := bytes.NewBuffer(binary.BigEndian.AppendUint64(head, uint64(l.mate)))
	err := l.exec.Snapshot(b)
	return b.Bytes(), err
}

// progress takes what the disk has come to, and gives the next epoch that is there; 0: none.
func (l *Log) progress() view.Epoch {
	if l.failure != nil {
		return 0
	}
	c := l.journal.Completed()
	l.fail(c.Err)
	l.fail(c.Abandoned)
	if l.failure != nil {
		return 0
	}
	l.durable = c.Durable
	l.flush()
	if len(l.saves) == 0 || l.saves[0].record > l.durable {
		return 0
	}
	epoch := l.saves[0].epoch
	l.saves = l.saves[1:]
	return epoch
}

// saved is the index of the last command that is on the disk.
func (l *Log) saved() uint64 {
	if l.durable == 0 {
		return 0
	}
	for len(l.shifts) > 1 && l.shifts[1].from <= l.durable {
		l.shifts = l.shifts[1:]
	}
	return l.durable - l.shifts[0].by
}

// busy says whether the disk is so far behind that nothing more is to be taken.
func (l *Log) busy() bool { return len(l.waiting) > 0 }

// flush gives the journal what it had no room for, and a snapshot now and then.
func (l *Log) flush() {
	for len(l.waiting) > 0 {
		if _, err := l.journal.Append(l.waiting[0]); err != nil {
			if !errors.Is(err, journal.ErrFull) && !errors.Is(err, journal.ErrCrowded) {
				l.fail(err)
			}
			break
		}
		l.waiting = l.waiting[1:]
	}
	if l.logged >= l.every && l.epoch != 0 && l.offer == nil && l.follows && len(l.ends) == 0 {
		state, err := l.state()
		l.fail(err)
		l.offer, l.offered, l.logged = state, l.last, 0
	}
	if l.offer == nil || len(l.waiting) > 0 || l.failure != nil {
		return // a snapshot stands for records that are written
	}
	err := l.journal.Snapshot(l.offered, bytes.NewReader(l.offer))
	if errors.Is(err, journal.ErrBusy) {
		return
	}
	l.offer = nil
	l.fail(err)
}

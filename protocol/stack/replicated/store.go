package replicated

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Journal is where a store writes. None of its methods waits for the disk.
// internal/edge/disk and internal/sim/simdisk have it.
type Journal interface {
	Append(records ...[]byte) (last uint64, err error)
	Snapshot(index uint64, source io.Reader) error
	Reset(index uint64, source io.Reader) error
	Completed() journal.Completion
}

// The kinds of records. docs/rfc/0022-durable.md has the layouts.
const (
	recordCommand byte = 1 + iota // the digest after it (8) and the request as it was executed
	recordPromise                 // an era (8): nothing of an earlier one is taken from here on
	recordEra                     // an era (8): the state goes on in it from here on
)

// storeMagic begins a snapshot; its last byte is the version. Promise and era follow, 8 bytes each,
// and the executor's snapshot.
const storeMagic = "HFkept\x00\x01"

// Store is what a member keeps on its disk of a service: the commands that its executor has
// executed, snapshots of it, and what it has promised to the others. It is the
// journal.State into which a journal is recovered; then [Store.Use] begins to write to that.
type Store struct {
	exec    *session.Executor
	journal Journal
	every   int // bytes of records between two snapshots

	promise view.Epoch // the latest that is on the disk or on its way
	era     view.Epoch // of the state in memory
	last    uint64     // index of the last record that was written or waits
	entered uint64     // that of the record, or the reset, that began the present era here
	shifts  []shift
	pledges []pledge
	waiting [][]byte // records that the journal has no room for
	logged  int      // bytes since the last snapshot
	record  []byte   // work space

	saved   uint64 // index of the last command that is on the disk; 0: nothing of this era
	failure error
}

// shift says by how much the index of a record is greater than that of the last command up
// to it, from a record on.
type shift struct{ from, by uint64 }

// pledge is a promise on its way to the disk.
type pledge struct {
	record uint64
	era    view.Epoch
}

// NewStore makes the store of an executor, which has executed nothing. A snapshot is taken
// after so many bytes of records; 0: 8 MiB.
func NewStore(exec *session.Executor, snapshotBytes int) *Store {
	if snapshotBytes <= 0 {
		snapshotBytes = snapshotDefault
	}
	return &Store{exec: exec, every: snapshotBytes}
}

// Restore reads a snapshot from the disk.
func (s *Store) Restore(_ uint64, r io.Reader) error {
	var head [len(storeMagic) + 16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("the snapshot's head: %w", err)
	}
	if string(head[:len(storeMagic)]) != storeMagic {
		return fmt.Errorf("the snapshot begins with %q and should with %q; it is not of a replicated service, or of a later version", head[:len(storeMagic)], storeMagic)
	}
	s.promise = view.Epoch(binary.BigEndian.Uint64(head[len(storeMagic):]))
	s.era = view.Epoch(binary.BigEndian.Uint64(head[len(storeMagic)+8:]))
	if err := s.exec.Restore(r); err != nil {
		return err
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n > 0 {
		return errors.Join(fmt.Errorf("%d bytes follow the executor's snapshot", n), err)
	}
	return nil
}

// Apply executes, or notes, a record from the disk.
func (s *Store) Apply(_ uint64, record []byte) error {
	if len(record) < 9 {
		return fmt.Errorf("a record of %d bytes; 9 is the least", len(record))
	}
	s.logged = s.every // see Use
	number := binary.BigEndian.Uint64(record[1:])
	switch record[0] {
	case recordCommand:
		s.record = s.exec.Execute(record[9:], s.record[:0])
		if got := s.exec.Digest(); got != number {
			return fmt.Errorf("after command %d the digest is %016x and was %016x: the program that wrote it executes it otherwise, or the service is not deterministic; "+
				"run the version that wrote it, or move the directory away, so that this member begins anew with the state of the others", s.exec.Index(), got, number)
		}
	case recordPromise:
		s.promise = max(s.promise, view.Epoch(number))
	case recordEra:
		s.promise, s.era = max(s.promise, view.Epoch(number)), view.Epoch(number)
	default:
		return fmt.Errorf("a record of kind %d; run the version of the program that has written it, or a later one", record[0])
	}
	return nil
}

// Use begins to write: last is the index of the last record that was recovered. If there are any, a snapshot is taken
// soon, however few: each life begins a file of its own, and without one those of former lives would
// stay; a process that crashes again and again would fill its disk.
func (s *Store) Use(j Journal, last uint64) {
	s.journal, s.last = j, last
	s.shifts = []shift{{0, last - s.exec.Index()}}
	s.exec.Watch(s.executed)
}

// Era is since which founding of its group the state goes on; 0: there is none.
func (s *Store) Era() view.Epoch { return s.era }

// standing is what this member has.
func (s *Store) standing() group.Standing {
	return group.Standing{Promise: s.promise, Era: s.era, Index: s.exec.Index()}
}

// executed writes the command that has just been executed.
func (s *Store) executed(request []byte) {
	b := append(s.record[:0], recordCommand)
	b = binary.BigEndian.AppendUint64(b, s.exec.Digest())
	s.record = append(b, request...)
	s.append(s.record)
}

// mark writes something that is no command.
func (s *Store) mark(kind byte, era view.Epoch) {
	s.promise = max(s.promise, era)
	s.shifts = append(s.shifts, shift{s.last + 1, s.last + 1 - s.exec.Index()})
	s.append(binary.BigEndian.AppendUint64([]byte{kind}, uint64(era)))
}

// append writes a record, or keeps it until the journal has room.
func (s *Store) append(record []byte) {
	if s.failure != nil {
		return
	}
	s.last++
	s.logged += len(record)
	if len(s.waiting) == 0 {
		switch _, err := s.journal.Append(record); {
		case err == nil:
			return
		case !errors.Is(err, journal.ErrFull) && !errors.Is(err, journal.ErrCrowded):
			s.fail(err)
			return
		}
	}
	s.waiting = append(s.waiting, bytes.Clone(record))
}

// pledge writes a promise.
func (s *Store) pledge(era view.Epoch) {
	s.mark(recordPromise, era)
	s.pledges = append(s.pledges, pledge{s.last, era})
}

// enter tells that the state is that of an era from here on. It came by transfer if anew.
func (s *Store) enter(era view.Epoch, anew bool) {
	if !anew {
		if era != s.era {
			s.era, s.saved = era, 0
			s.mark(recordEra, era)
			s.entered = s.last
		}
		return
	}
	s.era, s.saved, s.promise = era, 0, max(s.promise, era)
	s.pledges, s.waiting = s.pledges[:0], nil
	s.last = s.exec.Index() + 1 // 0 is nothing
	s.entered, s.logged = s.last, 0
	s.shifts = []shift{{0, 1}}
	b, err := s.snapshot()
	if err == nil {
		err = s.journal.Reset(s.last, b)
	}
	s.fail(err)
}

// fail notes the end, if there is an error. That a journal takes nothing more has a cause, which says more.
func (s *Store) fail(err error) {
	if errors.Is(err, journal.ErrFailed) {
		if c := s.journal.Completed(); c.Err != nil {
			err = c.Err
		}
	}
	if s.failure == nil {
		s.failure = err
	}
}

// snapshot is the state as it is now, with what was promised.
func (s *Store) snapshot() (*bytes.Buffer, error) {
	b := bytes.NewBufferString(storeMagic)
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:], uint64(s.promise))
	binary.BigEndian.PutUint64(numbers[8:], uint64(s.era))
	b.Write(numbers[:])
	return b, s.exec.Snapshot(b)
}

// progress takes what the disk has come to, and calls kept for each promise that is there.
func (s *Store) progress(kept func(era view.Epoch)) {
	c := s.journal.Completed()
	if c.Err != nil && s.failure == nil {
		s.failure = c.Err
	}
	if s.failure == nil {
		s.failure = c.Abandoned
	}
	if s.failure != nil {
		return
	}
	for len(s.pledges) > 0 && s.pledges[0].record <= c.Durable {
		era := s.pledges[0].era
		s.pledges = s.pledges[1:]
		kept(era)
	}
	if s.era != 0 && s.entered != 0 && c.Durable >= s.entered {
		s.saved = s.command(c.Durable)
	}
	s.flush()
}

// command is the index of the last command up to a record.
func (s *Store) command(record uint64) uint64 {
	for len(s.shifts) > 1 && s.shifts[1].from <= record {
		s.shifts = s.shifts[1:]
	}
	return record - s.shifts[0].by
}

// flush gives the journal what it had no room for, and a snapshot now and then.
func (s *Store) flush() {
	for len(s.waiting) > 0 {
		if _, err := s.journal.Append(s.waiting[0]); err != nil {
			if !errors.Is(err, journal.ErrFull) && !errors.Is(err, journal.ErrCrowded) {
				s.fail(err)
			}
			break
		}
		s.waiting = s.waiting[1:]
	}
	if s.logged < s.every && len(s.waiting) == 0 {
		return
	}
	if len(s.waiting) > 0 {
		return // a snapshot stands for records that are written
	}
	b, err := s.snapshot()
	if err == nil {
		err = s.journal.Snapshot(s.last, b)
	}
	if errors.Is(err, journal.ErrBusy) {
		return
	}
	s.logged = 0
	s.fail(err)
}

package replicated

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/replica"
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
	every   int  // bytes of records between two snapshots
	keeps   bool // what the executor is ahead of what is written can be undone
	doubts  bool // what is in memory is not believed where nobody votes on it

	promise view.Epoch // the latest that is on the disk or on its way
	era     view.Epoch // of the state in memory
	last    uint64     // index of the last record that was written or waits
	entered uint64     // that of the record, or the reset, that began the present era here
	shifts  []shift
	pledges []pledge
	waiting [][]byte // records that the journal has no room for
	logged  int      // bytes since the last snapshot
	scratch []byte

	done    uint64        // index of the last command that was written or waits
	ahead   replica.Queue // the records of those after it, which are not sure yet
	arrived *arrival      // a state of another member that is not sure yet, and replaces what is written; nil: none
	undoing bool
	undone  bool // and nothing has happened since

	next  *arrival // a snapshot of a state that is ahead, until it is not; nil: none
	offer *offer   // a snapshot that the journal has not taken yet; nil: none
	base  []byte   // if keeps: a state that was written
	since []byte   // and the commands after it, each behind its length

	saved   uint64 // index of the last command that is on the disk; 0: nothing of this era
	failure error
}

// shift says by how much the index of a record is greater than that of the last command up
// to it, from a record on.
type shift struct{ from, by uint64 }

// arrival is an executor's state as of a command.
type arrival struct {
	index uint64
	offer *offer     // of a snapshot: what was written with that command; nil: it is not written yet
	since int        // of a snapshot: how much of the commands it has
	era   view.Epoch // 0: not known yet
	state []byte
}

// offer is a snapshot that stands for the records up to one.
type offer struct {
	record uint64
	era    view.Epoch // as of it
	state  []byte
}

// pledge is a promise on its way to the disk.
type pledge struct {
	record uint64
	era    view.Epoch
}

// NewStore makes the store of an executor, which has executed nothing, of a member of a style. A snapshot is taken
// after so many bytes of records; 0: 8 MiB. With a style whose members execute what is not
// sure yet, a second copy of the state is kept in memory, to undo that, and so many bytes of commands.
func NewStore(exec *session.Executor, style Style, snapshotBytes int) *Store {
	if snapshotBytes <= 0 {
		snapshotBytes = snapshotDefault
	}
	s := &Store{exec: exec, every: snapshotBytes, keeps: style != Active, doubts: style == Voted}
	if s.keeps {
		s.base, s.failure = s.state()
	}
	return s
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
	var state bytes.Buffer
	if s.keeps {
		r = io.TeeReader(r, &state)
	}
	if err := s.exec.Restore(r); err != nil {
		return err
	}
	s.base, s.since = state.Bytes(), nil
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
		s.scratch = s.exec.Execute(record[9:], s.scratch[:0])
		s.remember(record[9:])
		if got := s.exec.Digest(); got != number {
			return fmt.Errorf("after command %d the digest is %016x and was %016x: the service was set in another way then, the program that wrote it executes it otherwise, or the service is not deterministic; "+
				"use those settings and that version, or move the directory away, so that this member begins anew with the state of the others", s.exec.Index(), got, number)
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
	s.journal, s.last, s.done = j, last, s.exec.Index()
	s.shifts = []shift{{0, last - s.done}}
	s.exec.Watch(s.executed)
}

// Era is since which founding of its group the state goes on; 0: there is none.
func (s *Store) Era() view.Epoch { return s.era }

// standing is what this member has.
func (s *Store) standing() group.Standing {
	return group.Standing{Promise: s.promise, Era: s.era, Index: s.exec.Index()}
}

// executed makes the record of the command that has just been executed. It is written when it is sure.
func (s *Store) executed(request []byte) {
	if s.undoing {
		return
	}
	e := s.ahead.Push(0, s.exec.Index())
	b := binary.BigEndian.AppendUint64(append(e.Data, recordCommand), s.exec.Digest())
	e.Data = append(b, request...)
}

// settle writes the commands up to an index, which are sure, and puts a state that has arrived in the place of
// what is written, if it is.
func (s *Store) settle(index uint64) {
	if canary == WritesAhead {
		index = s.exec.Index()
	}
	if s.arrived != nil {
		if index < s.arrived.index || s.arrived.era == 0 {
			return
		}
		s.replace()
	}
	for s.ahead.Len() > 0 && s.ahead.At(0).Index <= index {
		e := s.ahead.At(0)
		s.append(e.Data)
		s.done = e.Index
		s.remember(e.Data[9:])
		s.ahead.Pop()
		s.reach()
	}
}

// reach looks whether the snapshot that waits is one of what is written by now. Where memory is not believed it must be
// of what was so before the last command, with which its state was voted on once more.
func (s *Store) reach() {
	n := s.next
	switch {
	case n == nil:
	case n.index == s.done:
		n.offer, n.since = &offer{s.last, s.era, n.state}, len(s.since)
		if s.doubts {
			return
		}
		fallthrough
	case n.offer != nil:
		s.offer, s.next, s.logged = n.offer, nil, len(s.since)-n.since
		if s.keeps {
			s.base, s.since = n.state, append(s.since[:0], s.since[n.since:]...)
		}
	}
}

// remember keeps a command that was written, to execute it again.
func (s *Store) remember(request []byte) {
	if s.keeps {
		s.since = append(binary.AppendUvarint(s.since, uint64(len(request))), request...)
	}
}

// undo takes back what was executed, or has arrived, and is not written, outside of any view.
func (s *Store) undo() error {
	if !s.keeps || canary == KeepsAhead {
		return nil
	}
	s.ahead.Clear()
	s.arrived, s.next, s.undone = nil, nil, true
	s.undoing = true
	defer func() { s.undoing = false }()
	if err := s.exec.Restore(bytes.NewReader(s.base)); err != nil {
		return err
	}
	for rest := s.since; len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		s.scratch = s.exec.Execute(rest[n:n+int(size)], s.scratch[:0])
		rest = rest[n+int(size):]
	}
	if s.exec.Index() != s.done {
		return fmt.Errorf("%d commands were executed again, and %d are written", s.exec.Index(), s.done)
	}
	return nil
}

// isAhead says whether there is, or may be, something to undo: the state of a member that is to vote may be damaged, and then
// it must not be what all are given at a founding.
func (s *Store) isAhead() bool {
	return s.keeps && (s.ahead.Len() > 0 || s.arrived != nil) || s.doubts && !s.undone
}

// mark writes something that is no command.
func (s *Store) mark(kind byte, era view.Epoch) {
	s.promise = max(s.promise, era)
	s.shifts = append(s.shifts, shift{s.last + 1, s.last + 1 - s.done})
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

// enter tells that the state is that of an era from here on.
func (s *Store) enter(era view.Epoch) {
	s.undone = false
	switch {
	case s.arrived != nil:
		s.arrived.era = era
	case era != s.era:
		s.era, s.saved = era, 0
		s.mark(recordEra, era)
		s.entered = s.last
	}
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

// take tells that the executor has another member's state.
func (s *Store) take(state []byte) {
	s.ahead.Clear()
	s.next, s.arrived, s.saved = nil, &arrival{index: s.exec.Index(), state: state}, 0
}

// replace puts the state that has arrived in the place of what is written.
func (s *Store) replace() {
	a := s.arrived
	s.era, s.saved, s.promise = a.era, 0, max(s.promise, a.era)
	s.pledges, s.waiting, s.offer, s.arrived = s.pledges[:0], nil, nil, nil
	s.done, s.last = a.index, a.index+1 // 0 is nothing
	s.entered, s.logged = s.last, 0
	s.shifts = []shift{{0, 1}}
	if s.keeps {
		s.base, s.since = a.state, s.since[:0]
	}
	s.fail(s.journal.Reset(s.last, s.snapshot(s.era, a.state)))
}

// state is the executor's, as it is now.
func (s *Store) state() ([]byte, error) {
	var b bytes.Buffer
	err := s.exec.Snapshot(&b)
	return b.Bytes(), err
}

// snapshot is a state with what was promised.
func (s *Store) snapshot(era view.Epoch, state []byte) io.Reader {
	head := binary.BigEndian.AppendUint64([]byte(storeMagic), uint64(s.promise))
	return io.MultiReader(bytes.NewReader(binary.BigEndian.AppendUint64(head, uint64(era))), bytes.NewReader(state))
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
	if s.arrived == nil && s.era != 0 && s.entered != 0 && c.Durable >= s.entered {
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
	if s.logged >= s.every && s.offer == nil && s.next == nil && s.arrived == nil {
		s.capture()
	}
	if s.offer == nil || len(s.waiting) > 0 {
		return // a snapshot stands for records that are written
	}
	err := s.journal.Snapshot(s.offer.record, s.snapshot(s.offer.era, s.offer.state))
	if errors.Is(err, journal.ErrBusy) {
		return
	}
	s.offer = nil
	s.fail(err)
}

// capture takes a snapshot. It is offered to the journal when all that is in it is written.
func (s *Store) capture() {
	state, err := s.state()
	s.fail(err)
	if err == nil {
		s.next = &arrival{index: s.exec.Index(), state: state}
		if s.ahead.Len() == 0 {
			s.reach()
		}
	}
}

package replicated

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// adder adds what it is given.
type adder struct{ sum uint64 }

func (a *adder) Apply(c session.Command, reply []byte) []byte {
	a.sum += uint64(len(c.Body))
	return binary.BigEndian.AppendUint64(reply, a.sum)
}
func (a *adder) Ended(time.Duration, session.ID) {}
func (a *adder) Passed(time.Duration)            {}
func (a *adder) Next() time.Duration             { return 0 }
func (a *adder) Digest() uint64                  { return a.sum }
func (a *adder) Snapshot(w io.Writer) error      { return binary.Write(w, binary.BigEndian, a.sum) }
func (a *adder) Restore(r io.Reader) error       { return binary.Read(r, binary.BigEndian, &a.sum) }

// paper is a journal that a test makes durable.
type paper struct {
	records  [][]byte // from index first on
	first    uint64
	snapshot []byte
	full     bool
	told     journal.Completion
}

func (p *paper) last() uint64 { return p.first + uint64(len(p.records)) - 1 }

func (p *paper) Append(records ...[]byte) (uint64, error) {
	if p.full {
		return p.last(), journal.ErrFull
	}
	for _, r := range records {
		p.records = append(p.records, bytes.Clone(r))
	}
	return p.last(), nil
}

func (p *paper) Snapshot(index uint64, source io.Reader) (err error) {
	p.records = p.records[index+1-p.first:]
	p.first = index + 1
	p.snapshot, err = io.ReadAll(source)
	return err
}

func (p *paper) Reset(index uint64, source io.Reader) (err error) {
	p.records, p.first, p.told = nil, index+1, journal.Completion{}
	p.snapshot, err = io.ReadAll(source)
	return err
}

func (p *paper) Completed() journal.Completion { return p.told }

// read recovers what is written.
func (p *paper) read() (*Store, error) {
	s := NewStore(session.NewExecutor(&adder{}), Passive, 0)
	if p.snapshot != nil {
		if err := s.Restore(p.first-1, bytes.NewReader(p.snapshot)); err != nil {
			return s, err
		}
	}
	for i, r := range p.records {
		if err := s.Apply(p.first+uint64(i), r); err != nil {
			return s, err
		}
	}
	return s, nil
}

func request(body string) []byte {
	r := session.Request{Verb: session.Call, How: session.Maybe, Nonce: 1, Body: []byte(body)}
	return r.Append(nil)
}

func begin(p *paper, snapshotBytes int) (*Store, *session.Executor) {
	return beginAs(p, Active, snapshotBytes)
}

func beginAs(p *paper, style Style, snapshotBytes int) (*Store, *session.Executor) {
	p.first = 1
	e := session.NewExecutor(&adder{})
	s := NewStore(e, style, snapshotBytes)
	s.Use(p, 0)
	return s, e
}

// arrive gives a store its own executor's state as if it were another member's.
func arrive(t *testing.T, s *Store, era view.Epoch) {
	t.Helper()
	state, err := s.state()
	if err != nil {
		t.Fatal(err)
	}
	s.take(state)
	s.enter(era)
	s.settle(s.exec.Index())
}

func TestWhatIsWrittenComesBack(t *testing.T) {
	for _, every := range []int{0, 100} {
		p := &paper{}
		s, e := begin(p, every)
		s.pledge(7)
		s.enter(7)
		for i := range 20 {
			e.Execute(request(strings.Repeat("x", i)), nil)
			s.settle(e.Index())
			s.flush()
		}
		s.pledge(9)
		got, err := p.read()
		if err != nil {
			t.Fatal(err)
		}
		if got.standing() != s.standing() || got.exec.Digest() != e.Digest() {
			t.Errorf("a snapshot each %d bytes: %+v and digest %x came back as %+v and %x", every, s.standing(), e.Digest(), got.standing(), got.exec.Digest())
		}
	}
}

func TestOnlyTheDiskSaysWhatIsSaved(t *testing.T) {
	p := &paper{}
	s, e := begin(p, 0)
	var kept []view.Epoch
	durable := func(record, want uint64, promises int) {
		t.Helper()
		p.told.Durable = record
		s.progress(func(era view.Epoch) { kept = append(kept, era) })
		if s.saved != want || len(kept) != promises {
			t.Errorf("with record %d on the disk, command %d counts as saved and %d promises are kept; want %d and %d", record, s.saved, len(kept), want, promises)
		}
	}
	s.pledge(7) // record 1
	e.Execute(request("before the era"), nil)
	s.settle(1)
	s.enter(7) // record 3
	e.Execute(request("in it"), nil)
	s.settle(2)
	durable(0, 0, 0)
	durable(2, 0, 1) // nothing of this era
	durable(3, 1, 1)
	durable(4, 2, 1)
	arrive(t, s, 8)
	durable(0, 0, 1)
	durable(3, 2, 1)
	p.full = true
	e.Execute(request("that has to wait"), nil)
	s.settle(3)
	if len(s.waiting) != 1 {
		t.Errorf("%d records wait for a full journal, want 1", len(s.waiting))
	}
	p.full = false
	durable(3, 2, 1)
	durable(4, 3, 1)
	p.told.Err = io.ErrShortWrite
	durable(5, 3, 1)
	if s.failure == nil {
		t.Error("the disk has failed, and the store has not")
	}
}

func TestEachLifeTakesASnapshotOfWhatItHasRead(t *testing.T) {
	p := &paper{}
	s, e := begin(p, 0)
	if s.flush(); p.snapshot != nil {
		t.Error("there is a snapshot of nothing")
	}
	s.enter(7)
	e.Execute(request("one"), nil)
	s.settle(1)
	if s.flush(); p.snapshot != nil {
		t.Error("there is a snapshot of a single command")
	}
	again, err := p.read()
	if err != nil {
		t.Fatal(err)
	}
	again.Use(p, p.last())
	if again.flush(); p.snapshot == nil || len(p.records) != 0 {
		t.Errorf("after a restart %d records are kept, and a snapshot of %d bytes", len(p.records), len(p.snapshot))
	}
	third, err := p.read()
	if err != nil || third.standing() != again.standing() || third.exec.Digest() != e.Digest() {
		t.Errorf("the snapshot gives %+v, %v", third.standing(), err)
	}
	third.Use(p, p.last())
	if before := len(p.snapshot); before == 0 {
		t.Error("there is none")
	}
	p.snapshot = nil
	if third.flush(); p.snapshot != nil {
		t.Error("what has come from a snapshot alone is written again")
	}
}

func TestACommandThatIsExecutedOtherwiseIsRefused(t *testing.T) {
	p := &paper{}
	s, e := begin(p, 0)
	e.Execute(request("one"), nil)
	s.settle(1)
	p.records[0][8]++
	if _, err := p.read(); err == nil || !strings.Contains(err.Error(), "after command 1 the digest is") {
		t.Errorf("a command with another digest gives %v", err)
	}
}

// came recovers what is written, and says which sum and how many commands there are.
func came(t *testing.T, p *paper) (standing group.Standing, digest uint64) {
	t.Helper()
	s, err := p.read()
	if err != nil {
		t.Fatal(err)
	}
	return s.standing(), s.exec.Digest()
}

// What is executed and not sure is on no disk, and can be taken back; the snapshot that it falls into waits for it.
func TestWhatIsNotSureIsNotWritten(t *testing.T) {
	for _, style := range []Style{Passive, Voted} {
		p := &paper{}
		s, e := beginAs(p, style, 300)
		s.enter(7)
		var digests []uint64
		for i := range uint64(30) {
			digests = append(digests, e.Digest())
			e.Execute(request("x"), nil)
			if i >= 3 {
				s.settle(i - 2)
			}
			s.flush()
			want := group.Standing{Promise: 7, Era: 7, Index: max(i, 2) - 2}
			if got, digest := came(t, p); got != want || digest != digests[want.Index] {
				t.Fatalf("%v: after %d commands the disk has %+v with digest %x, want %+v with %x", style, i+1, got, digest, want, digests[want.Index])
			}
		}
		if p.snapshot == nil {
			t.Errorf("%v: there was no snapshot, while it was ahead", style)
		}
		if !s.isAhead() || s.standing().Index != 30 {
			t.Errorf("%v: it has %+v and is ahead: %v", style, s.standing(), s.isAhead())
		}
		if err := s.undo(); err != nil || s.isAhead() || s.standing().Index != 27 || e.Digest() != digests[27] {
			t.Errorf("%v: undone, it has %+v with digest %x, want 27 commands with %x; %v", style, s.standing(), e.Digest(), digests[27], err)
		}
		e.Execute(request("another"), nil)
		s.settle(28)
		if got, digest := came(t, p); got.Index != 28 || digest != e.Digest() {
			t.Errorf("%v: what was executed in its place came back as %+v", style, got)
		}
	}
}

// A state that was given is on no disk before it is sure; until then the own one can be had back.
func TestAGivenStateWaitsUntilItIsSure(t *testing.T) {
	p := &paper{}
	s, e := beginAs(p, Voted, 0)
	s.enter(7)
	e.Execute(request("one"), nil)
	s.settle(1)
	own := e.Digest()
	_, other := beginAs(&paper{}, Voted, 0)
	for range 5 {
		other.Execute(request("two"), nil)
	}
	var given bytes.Buffer
	if err := errors.Join(other.Snapshot(&given), e.Restore(bytes.NewReader(given.Bytes()))); err != nil {
		t.Fatal(err)
	}
	s.take(bytes.Clone(given.Bytes()))
	s.enter(9)
	e.Execute(request("three"), nil)
	s.settle(4)
	p.told.Durable = p.last()
	s.progress(func(view.Epoch) {})
	if got, digest := came(t, p); got.Index != 1 || got.Era != 7 || digest != own || s.saved != 0 {
		t.Errorf("before it is sure the disk has %+v, and %d commands count as saved", got, s.saved)
	}
	if err := s.undo(); err != nil || e.Digest() != own || s.standing().Era != 7 {
		t.Errorf("undone, it has %+v: %v", s.standing(), err)
	}
	if err := e.Restore(&given); err != nil {
		t.Fatal(err)
	}
	arrive(t, s, 9)
	e.Execute(request("three"), nil)
	s.settle(6)
	if got, digest := came(t, p); got != (group.Standing{Promise: 9, Era: 9, Index: 6}) || digest != e.Digest() {
		t.Errorf("when it is sure the disk has %+v", got)
	}
}

// FuzzOpen: whatever is on the disk, it is refused or read, and nothing panics.
func FuzzOpen(f *testing.F) {
	p := &paper{}
	s, e := begin(p, 0)
	s.enter(7)
	e.Execute(request("one"), nil)
	s.settle(1)
	state, _ := s.state()
	b, _ := io.ReadAll(s.snapshot(7, state))
	f.Add(b, p.records[0], p.records[1])
	f.Fuzz(func(t *testing.T, snapshot, one, two []byte) {
		s := NewStore(session.NewExecutor(&adder{}), Style(len(one)%int(styleCount)), 0)
		if s.Restore(1, bytes.NewReader(snapshot)) != nil {
			s = NewStore(session.NewExecutor(&adder{}), Active, 0)
		}
		if s.Apply(2, one) == nil {
			_ = s.Apply(3, two)
		}
	})
}

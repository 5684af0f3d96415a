package replicated

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

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
	s := NewStore(session.NewExecutor(&adder{}), 0)
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
	p.first = 1
	e := session.NewExecutor(&adder{})
	s := NewStore(e, snapshotBytes)
	s.Use(p, 0)
	return s, e
}

func TestWhatIsWrittenComesBack(t *testing.T) {
	for _, every := range []int{0, 100} {
		p := &paper{}
		s, e := begin(p, every)
		s.pledge(7)
		s.enter(7, false)
		for i := range 20 {
			e.Execute(request(strings.Repeat("x", i)), nil)
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
	s.enter(7, false) // record 3
	e.Execute(request("in it"), nil)
	durable(0, 0, 0)
	durable(2, 0, 1) // nothing of this era
	durable(3, 1, 1)
	durable(4, 2, 1)
	s.enter(8, true) // by transfer: as if it were
	durable(0, 0, 1)
	durable(3, 2, 1)
	p.full = true
	e.Execute(request("that has to wait"), nil)
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
	s.enter(7, false)
	e.Execute(request("one"), nil)
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
	_, e := begin(p, 0)
	e.Execute(request("one"), nil)
	p.records[0][8]++
	if _, err := p.read(); err == nil || !strings.Contains(err.Error(), "after command 1 the digest is") {
		t.Errorf("a command with another digest gives %v", err)
	}
}

// FuzzOpen: whatever is on the disk, it is refused or read, and nothing panics.
func FuzzOpen(f *testing.F) {
	p := &paper{}
	s, e := begin(p, 0)
	s.enter(7, false)
	e.Execute(request("one"), nil)
	b, _ := s.snapshot()
	f.Add(b.Bytes(), p.records[0], p.records[1])
	f.Fuzz(func(t *testing.T, snapshot, one, two []byte) {
		s := NewStore(session.NewExecutor(&adder{}), 0)
		if s.Restore(1, bytes.NewReader(snapshot)) != nil {
			s = NewStore(session.NewExecutor(&adder{}), 0)
		}
		if s.Apply(2, one) == nil {
			_ = s.Apply(3, two)
		}
	})
}

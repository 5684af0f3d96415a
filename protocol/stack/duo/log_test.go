package duo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// paper is a journal in memory, of which what was synced is durable.
type paper struct {
	first    uint64 // index of the record before the first
	snapshot []byte // as of record first; nil: none
	records  [][]byte
	synced   int // of records
	fresh    bool
	tight    bool // it has no room
	err      error
}

func (p *paper) Append(records ...[]byte) (uint64, error) {
	if p.tight {
		return 0, journal.ErrFull
	}
	for _, r := range records {
		p.records = append(p.records, bytes.Clone(r))
	}
	return p.first + uint64(len(p.records)), nil
}

func (p *paper) Snapshot(index uint64, source io.Reader) (err error) {
	p.records, p.synced = p.records[index-p.first:], 0
	p.first = index
	p.snapshot, err = io.ReadAll(source)
	return err
}

func (p *paper) Reset(index uint64, source io.Reader) (err error) {
	p.first, p.records, p.synced, p.fresh = index, nil, 0, true
	p.snapshot, err = io.ReadAll(source)
	return err
}

func (p *paper) Completed() journal.Completion {
	if p.err != nil {
		return journal.Completion{Err: p.err}
	}
	if p.fresh {
		return journal.Completion{}
	}
	return journal.Completion{Durable: p.first + uint64(p.synced)}
}

func (p *paper) sync() { p.synced, p.fresh = len(p.records), false }

// reread makes a log of what a journal has.
func (p *paper) reread(exec *session.Executor) (*Log, error) {
	l := NewLog(exec, 0)
	if p.snapshot != nil {
		if err := l.Restore(p.first, bytes.NewReader(p.snapshot)); err != nil {
			return nil, err
		}
	}
	for i, r := range p.records[:p.synced] {
		if err := l.Apply(p.first+uint64(i)+1, r); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// TestALogIsReadAsItWasWritten: epochs, commands and a state that takes the place of all.
func TestALogIsReadAsItWasWritten(t *testing.T) {
	p, exec := &paper{}, session.NewExecutor(&counter{})
	l := NewLog(exec, 0)
	l.Use(p, 0)
	execute := func(n int) {
		for range n {
			q := session.Request{Verb: session.Pass, At: exec.Time() + time.Second, After: exec.Index()}
			exec.Execute(q.Append(nil), nil)
		}
	}
	epochs := func() (all []view.Epoch) {
		for e := l.progress(); e != 0; e = l.progress() {
			all = append(all, e)
		}
		return all
	}
	l.enter(3, 0)
	execute(5)
	if l.settle(); len(epochs()) != 0 || l.saved() != 0 {
		t.Fatalf("nothing is durable, and %d is said to be", l.saved())
	}
	p.sync()
	if got := epochs(); len(got) != 1 || got[0] != 3 || l.saved() != 5 {
		t.Fatalf("epochs %v and command %d are durable; it is 3, and 5", got, l.saved())
	}
	execute(2)
	l.enter(8, 0x12345)
	execute(1)
	l.settle()
	if got := p.records[8]; !bytes.Equal(got, []byte{5, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0x23, 0x45}) {
		t.Fatalf("an epoch is written as %x", got)
	}
	p.sync()
	if got := epochs(); len(got) != 1 || got[0] != 8 || l.saved() != 8 {
		t.Fatalf("epochs %v and command %d are durable; it is 8, and 8", got, l.saved())
	}
	again := session.NewExecutor(&counter{})
	back, err := p.reread(again)
	if err != nil || back.Recovered() != (pair.Recovered{Known: true, Epoch: 8, Mate: 0x12345}) || again.Digest() != exec.Digest() {
		t.Fatalf("it is read as %+v, digest %x, and was %x: %v", back.Recovered(), again.Digest(), exec.Digest(), err)
	}
	l.lose()
	execute(4) // of another state, for all the log knows
	l.replace(9, 0)
	execute(1)
	l.settle()
	if epochs(); l.saved() != 0 {
		t.Fatalf("a state was put in the place of all, and command %d is said to be durable before it is", l.saved())
	}
	p.sync()
	if got := epochs(); len(got) != 1 || got[0] != 9 || l.saved() != 13 {
		t.Fatalf("epochs %v and command %d are durable; it is 9, and 13", got, l.saved())
	}
	again = session.NewExecutor(&counter{})
	if back, err = p.reread(again); err != nil || back.Recovered() != (pair.Recovered{Known: true, Epoch: 9}) || again.Digest() != exec.Digest() {
		t.Fatalf("it is read as %+v: %v", back.Recovered(), err)
	}
	if p.tight = true; l.busy() {
		t.Fatal("it is busy with nothing to write")
	}
	execute(1)
	if l.settle(); !l.busy() {
		t.Fatal("the journal has no room, and it is not busy")
	}
	p.tight = false
	if epochs(); l.busy() || len(p.records) != 2 {
		t.Fatal("what waited is not written")
	}
	l.every = 1
	p.sync()
	execute(1)
	l.settle()
	epochs()
	p.sync()
	again = session.NewExecutor(&counter{})
	if back, err = p.reread(again); err != nil || p.first == 13 || back.epoch != 9 || again.Digest() != exec.Digest() {
		t.Fatalf("a snapshot as of record %d is read as %+v: %v", p.first, back.Recovered(), err)
	}
	p.err = errors.New("it burns")
	if epochs(); l.failure != p.err {
		t.Fatalf("the failure is %v", l.failure)
	}
}

// TestWhatIsNoLogOfAPairIsRefused: each with what to do.
func TestWhatIsNoLogOfAPairIsRefused(t *testing.T) {
	q := session.Request{Verb: session.Pass, At: time.Second}
	command := binary.BigEndian.AppendUint64([]byte{recordCommand}, 1)
	era := append([]byte{3}, make([]byte, 8)...)
	for _, x := range []struct {
		record []byte
		want   string
	}{
		{nil, "0 bytes"},
		{q.Append(command), "move the directory away"},
		{era, "name the directory of this service"},
		{append(bytes.Clone(era), make([]byte, 8)...), "name the directory of this service"},
		{[]byte{recordBegun}, "name the directory of this service"},
		{[]byte{recordEpoch, 1}, "name the directory of this service"},
	} {
		if err := NewLog(session.NewExecutor(&counter{}), 0).Apply(1, x.record); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("record %x: the error is %v, which does not say %q", x.record, err, x.want)
		}
	}
	group := replicated.NewStore(session.NewExecutor(&counter{}), replicated.Active, 0)
	if err := group.Apply(1, q.Append(command)); err == nil {
		t.Error("a group takes a pair's log for its own")
	}
	for _, b := range []string{"", "HFkept\x00\x01" + strings.Repeat("\x00", 80), logMagic + strings.Repeat("\x00", 16) + "none"} {
		if err := NewLog(session.NewExecutor(&counter{}), 0).Restore(1, strings.NewReader(b)); err == nil {
			t.Errorf("the snapshot %q is taken", b)
		}
	}
}

// TestALogIsBegunOnce: who has one that has nothing else is not taken for one who has lost his.
func TestALogIsBegunOnce(t *testing.T) {
	p := &paper{}
	for life := view.Incarnation(5); life < 8; life++ {
		l, err := p.reread(session.NewExecutor(&counter{}))
		if err != nil {
			t.Fatal(err)
		}
		l.Use(p, p.first+uint64(len(p.records)))
		l.begin(life)
		p.sync()
		if e := l.progress(); e != 0 || l.born != 5 || len(p.records) != 1 || p.snapshot != nil {
			t.Fatalf("in life %d it was begun in life %d, and has %d records", life, l.born, len(p.records))
		}
	}
}

// TestNothingIsAnsweredBeforeItIsOnADisk: neither by the backup, nor by the primary while it is alone.
func TestNothingIsAnsweredBeforeItIsOnADisk(t *testing.T) {
	r := newRigWith(t, true)
	answers := func() int { return len(r.hosts[0].got) }
	was := answers()
	r.slow = true
	r.ask(0)
	r.pass(3 * heartbeat)
	if answers() != was || r.hosts[1].member.Stable() >= r.hosts[1].member.Status().Index {
		t.Fatal("the backup has answered what its disk does not have")
	}
	r.hosts[1].paper.sync()
	r.hosts[1].member.Written()
	r.pass(heartbeat)
	if answers() != was+1 {
		t.Fatal("the backup's disk has it, and there is no answer")
	}
	r.slow = false
	r.hosts[1].dead = true
	r.pass(20 * heartbeat)
	if s := r.hosts[0].member.Status(); s.Role != "alone" {
		t.Fatalf("the primary is %+v", s)
	}
	was, r.slow = answers(), true
	r.ask(0)
	r.pass(heartbeat)
	if answers() != was {
		t.Fatal("the primary has answered what its disk does not have")
	}
	r.slow = false
	r.pass(heartbeat)
	if answers() != was+1 {
		t.Fatal("the primary's disk has it, and there is no answer")
	}
	r.hosts[0].paper.err = errors.New("it burns")
	r.hosts[0].member.Written()
	r.ask(0)
	r.pass(heartbeat)
	if answers() != was+1 || r.hosts[0].member.Failed() == nil {
		t.Fatal("the disk has failed, and the server goes on")
	}
}

// TestWhoLogsDoesNotHearWhoDoesNot: an answer of one would not be what the other promises.
func TestWhoLogsDoesNotHearWhoDoesNot(t *testing.T) {
	r := newRigWith(t, true)
	m := r.hosts[0].member
	node := r.hosts[1].node
	node.Detach(r.hosts[1].member)
	other, err := JoinPair(r.now, node, PairConfig{
		Config: Config{
			Name: "s", Self: r.hosts[1].self, Peer: 1, Preferred: 1, Terms: "alike", Fingerprint: cluster, Heartbeat: heartbeat, SuspectAfter: 5 * heartbeat,
			Executor: session.NewExecutor(&counter{}),
		},
		Policy: pair.Freeze,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.hosts[1].member, r.hosts[1].part, r.hosts[1].paper = other, other, nil
	r.pass(20 * heartbeat)
	machine := m.style.(*pairing).machine
	if s := other.Status(); s.Role != "empty" || machine.Dropped(wire.ForeignCluster) == 0 {
		t.Fatalf("the one that does not log is %+v, and %d of its messages were dropped", s, machine.Dropped(wire.ForeignCluster))
	}
}

func FuzzApply(f *testing.F) {
	q := session.Request{Verb: session.Pass, At: time.Second}
	f.Add(q.Append(binary.BigEndian.AppendUint64([]byte{recordCommand}, 1)), []byte(logMagic+strings.Repeat("\x00", 200)))
	f.Add([]byte{recordEpoch, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1}, []byte{})
	f.Fuzz(func(t *testing.T, record, snapshot []byte) {
		l := NewLog(session.NewExecutor(&counter{}), 0)
		if err := l.Apply(1, record); err == nil && l.epoch == 0 && record[0] == recordEpoch && binary.BigEndian.Uint64(record[1:]) != 0 {
			t.Fatal("an epoch is not taken")
		}
		_ = NewLog(session.NewExecutor(&counter{}), 0).Restore(1, bytes.NewReader(snapshot))
	})
}

package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/journal"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	goleak.VerifyTestMain(m)
}

// tape is a state that remembers everything.
type tape struct {
	base    uint64
	content []byte
	records [][]byte
}

func (s *tape) Restore(index uint64, r io.Reader) (err error) {
	s.base, s.records = index, nil
	s.content, err = io.ReadAll(r)
	return err
}

func (s *tape) Apply(index uint64, record []byte) error {
	if want := s.base + uint64(len(s.records)) + 1; index != want {
		return fmt.Errorf("record %d in the place of %d", index, want)
	}
	s.records = append(s.records, bytes.Clone(record))
	return nil
}

func config(path string) Config {
	return Config{Path: path, Journal: journal.Config{Cluster: 7, Member: 3, SegmentSize: 64 << 10, RecordMax: 8 << 10}}
}

// must opens a journal.
func must(t testing.TB, c Config) (*Log, journal.Recovered, *tape) {
	t.Helper()
	var s tape
	l, found, err := Open(c, &s)
	if err != nil {
		t.Fatal(err)
	}
	return l, found, &s
}

// wait waits for the descriptor.
func wait(t testing.TB, l *Log) journal.Completion {
	t.Helper()
	c, err := ready(l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ready(l *Log) (journal.Completion, error) {
	fds := []unix.PollFd{{Fd: int32(l.FD()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(30*time.Second/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return journal.Completion{}, fmt.Errorf("the descriptor is not readable after 30 s: %w", err)
		}
		return l.Completed(), nil
	}
}

// durable waits until records are durable.
func durable(t testing.TB, l *Log, index uint64) {
	t.Helper()
	for c := l.Completed(); c.Durable < index; c = wait(t, l) {
		if c.Err != nil {
			t.Fatal(c.Err)
		}
	}
}

func record(index uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, index)
	return append(b, bytes.Repeat([]byte{byte(index)}, int(index%700))...)
}

func (s *tape) check(t testing.TB, first, last uint64) {
	t.Helper()
	if got := s.base + uint64(len(s.records)); got != last || s.base+1 != first {
		t.Fatalf("records %d to %d were recovered, not %d to %d", s.base+1, got, first, last)
	}
	for i, r := range s.records {
		if !bytes.Equal(r, record(s.base+1+uint64(i))) {
			t.Fatalf("record %d is another", s.base+1+uint64(i))
		}
	}
}

func TestRecordsComeBack(t *testing.T) {
	c := config(filepath.Join(t.TempDir(), "journal"))
	l, found, _ := must(t, c)
	if !found.New {
		t.Error("a new journal is not said to be new")
	}
	for i := uint64(1); i <= 1000; i++ {
		if last, err := l.Append(record(i)); err != nil || last != i {
			t.Fatal(last, err)
		}
		if i%100 == 0 {
			durable(t, l, i)
		}
	}
	if s := l.Stats(); s.Segments < 5 || s.Commits > 200 {
		t.Errorf("1000 records made %d segments in %d commits", s.Segments, s.Commits)
	}
	if err := l.Snapshot(900, strings.NewReader("nine hundred")); err != nil {
		t.Fatal(err)
	}
	for l.Completed().Snapshot != 900 {
		wait(t, l)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, found, s := must(t, c)
	s.check(t, 901, 1000)
	if found.Snapshot != 900 || found.Cut.File != "" || string(s.content) != "nine hundred" || found.New {
		t.Errorf("%+v, snapshot %q", found, s.content)
	}
	names, _ := os.ReadDir(c.Path)
	if len(names) != 4 { // lock, snapshot, two segments
		t.Errorf("there are %v", names)
	}
	if _, err := l.Append(make([]byte, 9<<10)); err == nil {
		t.Error("a record that is too long was taken")
	}
	if err := l.Reset(5, strings.NewReader("five")); err != nil {
		t.Fatal(err)
	}
	if last, err := l.Append(record(6)); last != 6 || err != nil {
		t.Fatal(last, err)
	}
	durable(t, l, 6)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(nil); !errors.Is(err, journal.ErrClosed) {
		t.Error(err)
	}
	l, _, s = must(t, c)
	s.check(t, 6, 6)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsRefusedAtOpening(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	l, _, _ := must(t, config(good))
	if _, err := l.Append(record(1)); err != nil {
		t.Fatal(err)
	}
	refused := func(c Config, reason journal.Reason, want string) {
		t.Helper()
		_, _, err := Open(c, &tape{})
		var refusal *journal.Refusal
		if reason != 0 && (!errors.As(err, &refusal) || refusal.Reason != reason) {
			t.Errorf("not refused as %v: %v", reason, err)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	refused(config(good), 0, fmt.Sprintf("process %d uses this journal", os.Getpid()))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	other := config(good)
	other.Journal.Cluster = 8
	refused(other, journal.ForeignCluster, "00000007")
	other = config(good)
	other.Journal.Member = 4
	refused(other, journal.ForeignMember, "m3")
	refused(config(filepath.Join(dir, "none", "here")), 0, "mkdir -p")
	if err := os.Chmod(good, 0o750); err != nil {
		t.Fatal(err)
	}
	refused(config(good), 0, "chmod 700")
	if err := os.Chmod(good, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(good, "segment-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(config(good), journal.Damaged, "segment-1")
}

// faulty puts faults between a log and its directory.
type faulty struct {
	journal.Dir
	syncs   func() error // before a sync of a file
	writes  func(n int) (int, error)
	counted int
	after   int // syncs of files after one has failed
	failed  bool
}

type faultyFile struct {
	journal.File
	d *faulty
}

func (d *faulty) Create(name string, size int64) (journal.File, error) {
	f, err := d.Dir.Create(name, size)
	return &faultyFile{f, d}, err
}

func (f *faultyFile) Sync() error {
	f.d.counted++
	if f.d.failed {
		f.d.after++
	}
	if f.d.syncs != nil {
		if err := f.d.syncs(); err != nil {
			f.d.failed = true
			return err
		}
	}
	return f.File.Sync()
}

func (f *faultyFile) WriteAt(b []byte, offset int64) (int, error) {
	if f.d.writes == nil {
		return f.File.WriteAt(b, offset)
	}
	n, err := f.d.writes(len(b))
	if m, err := f.File.WriteAt(b[:n], offset); err != nil {
		return m, err
	}
	return n, err
}

// fails appends until the log fails, and checks that it does so once and for all.
func fails(t *testing.T, l *Log, cause error) (acked uint64) {
	t.Helper()
	var c journal.Completion
	for i := uint64(1); c.Err == nil; i++ {
		if _, err := l.Append(record(i)); err != nil {
			if !errors.Is(err, journal.ErrFailed) {
				t.Fatal(err)
			}
		}
		c = wait(t, l)
		acked = c.Durable
	}
	var op *OpError
	if !errors.Is(c.Err, cause) || !errors.As(c.Err, &op) || !strings.Contains(c.Err.Error(), "mend the disk") {
		t.Errorf("the error is %v, not %v", c.Err, cause)
	}
	if c := l.Completed(); c.Err != nil || c.Durable != acked {
		t.Errorf("after the end it tells %+v", c)
	}
	if _, err := l.Append(record(1)); !errors.Is(err, journal.ErrFailed) {
		t.Errorf("after the end it takes records: %v", err)
	}
	if err := l.Close(); !errors.Is(err, cause) {
		t.Errorf("closing says %v", err)
	}
	return acked
}

func TestFailedSyncIsTheEnd(t *testing.T) {
	c := config(filepath.Join(t.TempDir(), "journal"))
	var f *faulty
	l, _, err := open(c, &tape{}, func(d *directory) journal.Dir {
		f = &faulty{Dir: d}
		f.syncs = func() error {
			if f.counted == 20 { // only once: the next would succeed, and mean nothing
				return unix.EIO
			}
			return nil
		}
		return f
	})
	if err != nil {
		t.Fatal(err)
	}
	acked := fails(t, l, unix.EIO)
	if f.after != 0 {
		t.Errorf("%d syncs were tried after one had failed", f.after)
	}
	l, found, _ := must(t, c)
	if found.Last < acked {
		t.Errorf("%d was told durable, %d came back", acked, found.Last)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestShortWriteIsTheEnd(t *testing.T) {
	c := config(filepath.Join(t.TempDir(), "journal"))
	writes := 0
	l, _, err := open(c, &tape{}, func(d *directory) journal.Dir {
		return &faulty{Dir: d, writes: func(n int) (int, error) {
			if writes++; writes == 10 {
				return n / 2, io.ErrShortWrite
			}
			return n, nil
		}}
	})
	if err != nil {
		t.Fatal(err)
	}
	acked := fails(t, l, io.ErrShortWrite)
	l, found, s := must(t, c)
	if found.Last < acked || found.Cut.File == "" || found.Cut.Index != found.Last+1 {
		t.Errorf("%d was told durable; found %+v", acked, found)
	}
	s.check(t, 1, found.Last)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	c := config(filepath.Join(t.TempDir(), "journal"))
	c.Journal.SegmentSize = 16 << 20
	l, _, _ := must(t, c)
	defer l.Close()
	one := record(100)
	step := func() {
		last, err := l.Append(one)
		if err != nil {
			t.Fatal(err)
		}
		durable(t, l, last)
	}
	step()
	step()
	if n := testing.AllocsPerRun(50, step); n >= 1 && !racing() {
		t.Errorf("an append that is waited for allocates %v times", n)
	}
}

// racing says whether the race detector is built in, whose code allocates.
func racing() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

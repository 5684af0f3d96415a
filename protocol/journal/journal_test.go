package journal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// tape is a state that remembers everything.
type tape struct {
	base     uint64
	snapshot string
	records  []string
}

func (s *tape) Restore(index uint64, r io.Reader) error {
	b, err := io.ReadAll(r)
	s.base, s.snapshot = index, string(b)
	return err
}

func (s *tape) Apply(index uint64, record []byte) error {
	if want := s.base + uint64(len(s.records)) + 1; index != want {
		return fmt.Errorf("record %d in the place of %d", index, want)
	}
	s.records = append(s.records, string(record))
	return nil
}

func newDisk() *simdisk.Disk { return simdisk.New(simdisk.Config{}, rand.New(rand.NewPCG(1, 2))) }

func config() journal.Config {
	return journal.Config{Cluster: 0xc0ffee, Member: 3, Salt: 99, SegmentSize: 4096, RecordMax: 1000}
}

// finish does the jobs that there are.
func finish(l *journal.Log) {
	for j := l.Next(); j != nil; j = l.Next() {
		j.Do()
		l.Done(j)
	}
}

// must opens a journal.
func must(t testing.TB, d *simdisk.Disk, c journal.Config) (*journal.Log, journal.Recovered, *tape) {
	t.Helper()
	var s tape
	l, found, err := journal.Open(d, c, &s)
	if err != nil {
		t.Fatal(err)
	}
	return l, found, &s
}

// write appends records of 100 bytes, each durable before the next, and then marks the last.
func write(t testing.TB, l *journal.Log, n int) {
	t.Helper()
	for range n {
		last, err := l.Append(bytes.Repeat([]byte{'r'}, 100))
		if err != nil {
			t.Fatal(err)
		}
		finish(l)
		if c := l.Completed(); c.Durable != last || c.Err != nil {
			t.Fatalf("after record %d: %+v", last, c)
		}
	}
}

func segment(era, first uint64) string  { return fmt.Sprintf("segment-%016x-%016x", era, first) }
func snapshot(era, index uint64) string { return fmt.Sprintf("snapshot-%016x-%016x", era, index) }

// at is where the nth record of a segment stands, if each was written alone and marked.
func at(n int) int64 {
	return journal.HeadSize + int64(n-1)*int64(journal.FrameSize(100)+journal.FrameHead)
}

// twenty is a journal with 20 records in one segment and the rest in a second.
func twenty(t testing.TB) *simdisk.Disk {
	d := newDisk()
	l, _, _ := must(t, d, config())
	write(t, l, 40)
	l.Close()
	finish(l)
	if !l.Ended() {
		t.Fatal("the log does not end")
	}
	return d
}

// TestVectors fixes the bytes of version 1; the RFC has them too.
func TestVectors(t *testing.T) {
	d := newDisk()
	l, _, _ := must(t, d, config())
	if _, err := l.Append([]byte("enter"), nil); err != nil {
		t.Fatal(err)
	}
	finish(l)
	if err := l.Snapshot(2, strings.NewReader("state")); err != nil {
		t.Fatal(err)
	}
	finish(l)
	for name, want := range map[string]string{
		segment(0, 1): "484f4c44465345470001000300c0ffee0000000000000000000000000000000165c8fdba3220d700000000001390a8bc" +
			"0100000500000001000000000000000100000000eb56c18fbfcdc2f4656e746572000000010000000000000200000000" +
			"00000002bfcdc2f41390a8bc13bbca870200000000000000000000000000000213bbca871390a8bc18d6c2f1",
		snapshot(0, 2): "484f4c4446534e500001000300c0ffee000000000000000000000000000000025021bdafee5e66c8000000000c5d8888" +
			"000000051a79891b7374617465000000000502d4110000000000000005",
	} {
		if got := hex.EncodeToString(d.Bytes(name)); strings.TrimRight(got, "0") != strings.TrimRight(want, "0") {
			t.Errorf("%s is %s", name, got[:min(len(got), 400)])
		}
	}
}

// TestDamageIsRefusedWithItsPlace goes through the table of the RFC's section 6.
func TestDamageIsRefusedWithItsPlace(t *testing.T) {
	second := segment(0, 27)
	for _, test := range []struct {
		name   string
		do     func(d *simdisk.Disk)
		reason journal.Reason
		file   string
		offset int64
		index  uint64
	}{
		{"payload of a record", func(d *simdisk.Disk) { d.Flip(segment(0, 1), at(5)+60, 3) }, journal.Damaged, segment(0, 1), at(5), 5},
		{"head of a record", func(d *simdisk.Disk) { d.Flip(second, at(3)+9, 3) }, journal.Damaged, second, at(3), 29},
		{"last record, which a mark testifies", func(d *simdisk.Disk) { d.Flip(second, at(14)+40, 0) }, journal.Damaged, second, at(14), 40},
		{"end of a segment with a successor", func(d *simdisk.Disk) { d.Flip(segment(0, 1), at(26)+40, 0) }, journal.Damaged, segment(0, 1), at(26), 26},
		{"head of a segment", func(d *simdisk.Disk) { d.Flip(second, 33, 0) }, journal.Damaged, second, 0, 0},
		{"short segment", func(d *simdisk.Disk) { d.Put(second, d.Bytes(second)[:20]) }, journal.Damaged, second, 20, 0},
		{"first segment lost", func(d *simdisk.Disk) { d.Lose(segment(0, 1)) }, journal.Missing, second, 0, 1},
		{"another's name, so that a record is missing before it", func(d *simdisk.Disk) { d.Put(segment(0, 28), d.Bytes(second)); d.Lose(second) }, journal.Damaged, segment(0, 1), at(27) - journal.FrameHead, 27},
		{"the only segment under another's name", func(d *simdisk.Disk) {
			d.Put(segment(0, 1), d.Bytes(second))
			d.Lose(second)
		}, journal.Damaged, segment(0, 1), 16, 0},
		{"a segment in the middle lost", func(d *simdisk.Disk) {
			l, _, _ := must(t, d, config())
			write(t, l, 1)
			d.Lose(second)
		}, journal.Damaged, segment(0, 1), at(27) - journal.FrameHead, 27},
		{"a name that is none", func(d *simdisk.Disk) { d.Put("snapshot-7", nil) }, journal.Damaged, "snapshot-7", 0, 0},
		{"an era without a snapshot", func(d *simdisk.Disk) { d.Put(segment(1, 5), nil) }, journal.Missing, segment(1, 5), 0, 0},
		{"a later version", func(d *simdisk.Disk) {
			b := d.Bytes(second)
			b[9] = 2
			journal.Reseal(b)
			d.Put(second, b)
		}, journal.LaterVersion, second, 8, 0},
		{"a chain that does not continue", func(d *simdisk.Disk) {
			b := d.Bytes(second)
			b[43] ^= 1
			journal.Reseal(b)
			d.Put(second, b)
		}, journal.Damaged, second, 40, 27},
		{"a damaged snapshot whose records are gone", func(d *simdisk.Disk) {
			l, _, _ := must(t, d, config())
			if err := l.Snapshot(30, strings.NewReader("thirty")); err != nil {
				t.Fatal(err)
			}
			finish(l)
			d.Flip(snapshot(0, 30), journal.HeadSize+9, 2)
		}, journal.Damaged, snapshot(0, 30), journal.HeadSize, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := twenty(t)
			test.do(d)
			before, _ := d.List()
			var s tape
			_, _, err := journal.Open(d, config(), &s)
			var refusal *journal.Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("not refused: %v", err)
			}
			if refusal.Reason != test.reason || refusal.File != test.file || refusal.Offset != test.offset || refusal.Index != test.index {
				t.Errorf("%v at %s byte %d record %d", refusal.Reason, refusal.File, refusal.Offset, refusal.Index)
			}
			if len(s.records) > 0 {
				t.Errorf("refused, after %d records were handed over", len(s.records))
			}
			if after, _ := d.List(); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("refused, and the files have changed: %v to %v", before, after)
			}
			t.Log(err)
		})
	}
}

func TestForeignJournalIsRefusedByName(t *testing.T) {
	for want, change := range map[journal.Reason]func(*journal.Config){
		journal.ForeignCluster: func(c *journal.Config) { c.Cluster = 1 },
		journal.ForeignMember:  func(c *journal.Config) { c.Member = 4 },
	} {
		c := config()
		change(&c)
		_, _, err := journal.Open(twenty(t), c, &tape{})
		var refusal *journal.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != want {
			t.Errorf("%v is said for %v", err, want)
		}
	}
}

// TestTornTailIsCut cuts the file of a log at every byte of its last write.
func TestTornTailIsCut(t *testing.T) {
	d := newDisk()
	l, _, _ := must(t, d, config())
	write(t, l, 3)
	if _, err := l.Append([]byte("four"), []byte("five")); err != nil {
		t.Fatal(err)
	}
	j := l.Next()
	j.Do()
	whole := d.Bytes(segment(0, 1))
	four, five := at(4), at(4)+int64(journal.FrameSize(4))
	for end := four; end < five+int64(journal.FrameSize(4)); end++ {
		for _, zeros := range []bool{false, true} {
			torn := newDisk()
			b := bytes.Clone(whole[:end])
			if zeros {
				b = append(b, make([]byte, len(whole)-int(end))...)
			}
			torn.Put(segment(0, 1), b)
			l, found, s := must(t, torn, config())
			last, from := uint64(3), four
			if end >= five {
				last, from = 4, five
			}
			if found.Last != last || len(s.records) != int(last) {
				t.Fatalf("cut at byte %d: %d records", end, found.Last)
			}
			if left := len(bytes.TrimRight(b[from:], "\x00")); left > 0 && (found.Cut.Bytes != left || found.Cut.Offset != from || found.Cut.Index != last+1) ||
				left == 0 && found.Cut != (journal.Cut{}) {
				t.Fatalf("cut at byte %d: %v", end, found.Cut)
			}
			// What was cut stays where it is and is not seen again.
			write(t, l, 2)
			if _, found, _ = must(t, torn, config()); found.Last != last+2 || found.Cut.File != "" {
				t.Fatalf("cut at byte %d, then two records: %+v", end, found)
			}
		}
	}
}

// TestLaterRecordOfATornWriteIsNotDamage: the sectors of one write reach the disk in any
// order.
func TestLaterRecordOfATornWriteIsNotDamage(t *testing.T) {
	d := newDisk()
	l, _, _ := must(t, d, config())
	write(t, l, 3)
	if _, err := l.Append([]byte("four"), []byte("five")); err != nil {
		t.Fatal(err)
	}
	j := l.Next()
	j.Do()
	d.Flip(segment(0, 1), at(4)+9, 0)
	if _, found, _ := must(t, d, config()); found.Last != 3 || found.Cut.Index != 4 {
		t.Errorf("%+v", found)
	}
	d.Flip(segment(0, 1), at(4)+9, 0)
	l.Done(j)
	finish(l) // the mark
	d.Flip(segment(0, 1), at(4)+9, 0)
	if _, _, err := journal.Open(d, config(), &tape{}); err == nil {
		t.Error("after the write was durable and testified, its first record is cut all the same")
	}
}

// TestPayloadDoesNotTestify: a client may send what looks like frames.
func TestPayloadDoesNotTestify(t *testing.T) {
	other := twenty(t)
	inner := other.Bytes(segment(0, 1))[journal.HeadSize:][:900]
	c := config()
	c.Salt = 12345
	d := newDisk()
	l, _, _ := must(t, d, c)
	write(t, l, 1)
	if _, err := l.Append([]byte("victim"), inner); err != nil {
		t.Fatal(err)
	}
	l.Next().Do()
	d.Flip(segment(0, 1), at(2)+28, 0)
	if _, found, _ := must(t, d, c); found.Last != 1 || found.Cut.Index != 2 {
		t.Errorf("%+v", found)
	}
}

func TestDamagedSnapshotIsReplacedByAnOlderOneOnlyIfNothingIsLost(t *testing.T) {
	d := twenty(t)
	// Somebody has copied a second snapshot in; the segments of the first are all there.
	copied := d.Clone()
	l, _, _ := must(t, copied, config())
	if err := l.Snapshot(30, strings.NewReader("thirty")); err != nil {
		t.Fatal(err)
	}
	finish(l)
	b := copied.Bytes(snapshot(0, 30))
	b[journal.HeadSize+10] ^= 1
	d.Put(snapshot(0, 30), b)
	_, found, s := must(t, d, config())
	if found.Instead != snapshot(0, 30) || found.Last != 40 || len(s.records) != 40 {
		t.Errorf("%+v with %d records", found, len(s.records))
	}
}

func TestSnapshotsAndResets(t *testing.T) {
	d := newDisk()
	l, _, _ := must(t, d, config())
	write(t, l, 60)
	if err := l.Snapshot(61, nil); err == nil {
		t.Error("a snapshot of what was never appended is taken")
	}
	if err := l.Snapshot(55, strings.NewReader("fifty-five")); err != nil {
		t.Fatal(err)
	}
	if err := l.Snapshot(56, strings.NewReader("")); !errors.Is(err, journal.ErrBusy) {
		t.Error(err)
	}
	finish(l)
	if c := l.Completed(); c.Snapshot != 55 || c.Durable != 60 {
		t.Errorf("%+v", c)
	}
	if names, _ := d.List(); len(names) != 2 {
		t.Errorf("after a snapshot there are %v", names)
	}
	broken := errors.New("broken")
	if err := l.Snapshot(57, io.MultiReader(strings.NewReader("half"), reader{broken})); err != nil {
		t.Fatal(err)
	}
	finish(l)
	if c := l.Completed(); !errors.Is(c.Abandoned, broken) || c.Err != nil || l.Completed().Abandoned != nil {
		t.Errorf("%+v", c)
	}
	// Back to an earlier index, with other records.
	if err := l.Reset(10, strings.NewReader("ten")); err != nil {
		t.Fatal(err)
	}
	if last, err := l.Append([]byte("eleven")); last != 11 || err != nil {
		t.Fatal(last, err)
	}
	if c := l.Completed(); c.Durable != 0 {
		t.Errorf("before the reset is durable: %+v", c)
	}
	finish(l)
	if c := l.Completed(); c.Durable != 11 || c.Snapshot != 10 {
		t.Errorf("%+v", c)
	}
	_, found, s := must(t, d, config())
	if found.Last != 11 || s.snapshot != "ten" || len(s.records) != 1 || s.records[0] != "eleven" {
		t.Errorf("%+v %+v", found, s)
	}
	if names, _ := d.List(); len(names) != 2 {
		t.Errorf("after a reset there are %v", names)
	}
	l, _, _ = must(t, d, config())
	if err := l.Reset(5, reader{broken}); err != nil {
		t.Fatal(err)
	}
	finish(l)
	if c := l.Completed(); !errors.Is(c.Err, broken) {
		t.Errorf("a reset that cannot be read: %+v", c)
	}
	if _, found, _ = must(t, d, config()); found.Last != 11 {
		t.Errorf("%+v", found)
	}
}

// TestTwoResetsWhileTheDiskIsBusy: the snapshot that the first gives up is put away, though the second gives up one that was not begun.
func TestTwoResetsWhileTheDiskIsBusy(t *testing.T) {
	d := newDisk()
	l, _, _ := must(t, d, config())
	write(t, l, 3)
	if err := l.Snapshot(3, bytes.NewReader(make([]byte, 3<<20))); err != nil {
		t.Fatal(err)
	}
	j := l.Next()
	j.Do()
	l.Done(j) // a piece of it
	if _, err := l.Append([]byte("four")); err != nil {
		t.Fatal(err)
	}
	j = l.Next() // records between two pieces
	for _, state := range []string{"first", "second"} {
		if err := l.Reset(9, strings.NewReader(state)); err != nil {
			t.Fatal(err)
		}
	}
	j.Do()
	l.Done(j)
	finish(l)
	if names, _ := d.List(); !slices.Equal(names, []string{snapshot(1, 9)}) {
		t.Errorf("there are %v", names)
	}
	if _, found, s := must(t, d, config()); found.Last != 9 || s.snapshot != "second" {
		t.Errorf("%+v with %q", found, s.snapshot)
	}
}

// reader fails.
type reader struct{ err error }

func (r reader) Read([]byte) (int, error) { return 0, r.err }

func TestBoundsHaveNames(t *testing.T) {
	c := config()
	c.PendingMax, c.SegmentsMax = 4000, 2
	l, _, _ := must(t, newDisk(), c)
	if _, err := l.Append(make([]byte, 1001)); err == nil {
		t.Error("a record that is too long is taken")
	}
	for range 3 {
		if _, err := l.Append(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if last, err := l.Append(make([]byte, 1000)); !errors.Is(err, journal.ErrFull) || last != 3 {
		t.Error(last, err)
	}
	var err error
	for err == nil {
		finish(l)
		_, err = l.Append(make([]byte, 1000))
	}
	if !errors.Is(err, journal.ErrCrowded) || l.Last() > 10 || l.Stats().Segments != 2 {
		t.Errorf("%d segments took %d records: %v", l.Stats().Segments, l.Last(), err)
	}
	if err := l.Snapshot(l.Last(), strings.NewReader("all")); err != nil {
		t.Fatal(err)
	}
	finish(l)
	if _, err := l.Append(nil); err != nil {
		t.Errorf("after a snapshot: %v", err)
	}
	for _, change := range []func(*journal.Config){
		func(c *journal.Config) { c.Member = 0 }, func(c *journal.Config) { c.SegmentSize = 100 },
		func(c *journal.Config) { c.SegmentSize = 1 << 30 }, func(c *journal.Config) { c.RecordMax = 5000 },
		func(c *journal.Config) { c.PendingMax = 10 }, func(c *journal.Config) { c.SegmentsMax = 1 },
	} {
		c := config()
		change(&c)
		if _, _, err := journal.Open(newDisk(), c, &tape{}); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

// hollow is a directory that takes everything in no time and keeps nothing.
type hollow struct{}

func (hollow) List() ([]string, error)                    { return nil, nil }
func (hollow) Open(string) (journal.File, error)          { return hollow{}, nil }
func (hollow) Create(string, int64) (journal.File, error) { return hollow{}, nil }
func (hollow) Rename(string, string) error                { return nil }
func (hollow) Remove(string) error                        { return nil }
func (hollow) Sync() error                                { return nil }
func (hollow) Size() (int64, error)                       { return 0, nil }
func (hollow) Close() error                               { return nil }
func (hollow) ReadAt([]byte, int64) (int, error)          { return 0, io.EOF }
func (hollow) WriteAt(b []byte, _ int64) (int, error)     { return len(b), nil }
func hollowLog(tb testing.TB) (l *journal.Log, step func(n int)) {
	c := config()
	c.SegmentSize, c.SegmentsMax = 256<<20, 1<<20
	l, _, err := journal.Open(hollow{}, c, &tape{})
	if err != nil {
		tb.Fatal(err)
	}
	record := make([]byte, 128)
	return l, func(n int) {
		for range n {
			if _, err := l.Append(record); err != nil {
				tb.Fatal(err)
			}
		}
		finish(l)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	_, step := hollowLog(t)
	step(16)
	step(16)
	step(16)
	if n := testing.AllocsPerRun(200, func() { step(16) }); n != 0 {
		t.Errorf("a commit of 16 records allocates %v times", n)
	}
}

// BenchmarkCommit is what the log itself costs, without a disk.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			_, step := hollowLog(b)
			b.ReportAllocs()
			for b.Loop() {
				step(n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
}

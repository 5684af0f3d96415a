package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// benchSize is the size of a record: a command of a lock service, with its session.
const benchSize = 128

// benchDir is where benchmarks write: HOLDFAST_BENCH_DIR, for the disk that is meant, or the
// directory for temporary files.
func benchDir(b *testing.B) string {
	dir := os.Getenv("HOLDFAST_BENCH_DIR")
	if dir == "" {
		return b.TempDir()
	}
	dir, err := os.MkdirTemp(dir, "holdfast-bench-*")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// BenchmarkAppend appends records, of which a number may wait for the disk at a time, as
// many clients make them that each wait for an answer.
func BenchmarkAppend(b *testing.B) {
	for _, outstanding := range []uint64{1, 16, 256} {
		b.Run(fmt.Sprintf("outstanding=%d", outstanding), func(b *testing.B) {
			c := config(filepath.Join(benchDir(b), "journal"))
			c.Journal.SegmentSize = 16 << 20
			l, _, _ := must(b, c)
			defer l.Close()
			one := make([]byte, benchSize)
			last, done := l.Last(), l.Completed().Durable
			b.ReportAllocs()
			for b.Loop() {
				for last-done >= outstanding {
					done = wait(b, l).Durable
				}
				var err error
				if last, err = l.Append(one); err != nil {
					b.Fatal(err)
				}
			}
			durable(b, l, last)
			b.ReportMetric(float64(l.Stats().Records)/float64(max(l.Stats().Commits, 1)), "records/sync")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkSync is the disk alone: what one write and one fdatasync of a record's bytes
// take, in a file that grows, one that is allocated, and one that was written before.
func BenchmarkSync(b *testing.B) {
	const room = 16 << 20
	for _, size := range []int{benchSize, 4096} {
		for _, how := range []string{"growing", "allocated", "zeroed"} {
			b.Run(fmt.Sprintf("%s/bytes=%d", how, size), func(b *testing.B) {
				f, err := os.Create(filepath.Join(benchDir(b), "file"))
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				switch how {
				case "allocated":
					err = unix.Fallocate(int(f.Fd()), 0, 0, room)
				case "zeroed":
					_, err = f.Write(make([]byte, room))
				}
				if err == nil {
					err = f.Sync()
				}
				if err != nil {
					b.Fatal(err)
				}
				one := make([]byte, size)
				at := 0
				for b.Loop() {
					if _, err := f.WriteAt(one, int64(at)); err != nil {
						b.Fatal(err)
					}
					if err := unix.Fdatasync(int(f.Fd())); err != nil {
						b.Fatal(err)
					}
					if at += size; at+size > room {
						at = 0
					}
				}
			})
		}
	}
}

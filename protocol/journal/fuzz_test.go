package journal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// FuzzOpen recovers from any bytes in the places of a snapshot and two segments, with sums
// made right if asked for, and checks what it promises whatever it finds.
func FuzzOpen(f *testing.F) {
	d := twenty(f)
	first, second := trimmed(d, segment(0, 1)), trimmed(d, segment(0, 27))
	l, _, _ := must(f, d, config())
	if err := l.Snapshot(20, strings.NewReader("twenty")); err != nil {
		f.Fatal(err)
	}
	finish(l)
	snap := d.Bytes(snapshot(0, 20))
	for _, reseal := range []bool{false, true} {
		f.Add(first, second, snap, reseal)
		f.Add(first, second, []byte(nil), reseal)
		f.Add(first[:1000], []byte(nil), []byte(nil), reseal)
		f.Add([]byte(nil), second, snap, reseal)
		f.Add(first[:journal.HeadSize], []byte(nil), snap[:60], reseal)
	}
	f.Fuzz(func(t *testing.T, first, second, snap []byte, reseal bool) {
		d := newDisk()
		for name, b := range map[string][]byte{segment(0, 1): first, segment(0, 27): second, snapshot(0, 20): snap} {
			if len(b) == 0 {
				continue
			}
			if b = append([]byte(nil), b...); reseal && name != snapshot(0, 20) {
				journal.Reseal(b)
			}
			d.Put(name, b)
		}
		var s tape
		l, found, err := journal.Open(d, config(), &s)
		if err != nil {
			var refusal *journal.Refusal
			if !errors.As(err, &refusal) || refusal.Remedy == "" || len(s.records) > 0 {
				t.Fatalf("%v after %d records", err, len(s.records))
			}
			return
		}
		if s.base != found.Snapshot || s.base+uint64(len(s.records)) != found.Last {
			t.Fatalf("%+v, and %d records after %d", found, len(s.records), s.base)
		}
		// It goes on from there, and finds the same again.
		if _, err := l.Append([]byte("next")); err != nil {
			t.Fatal(err)
		}
		finish(l)
		if c := l.Completed(); c.Durable != found.Last+1 || c.Err != nil {
			t.Fatalf("%+v after %+v", c, found)
		}
		_, again, r := must(t, d, config())
		if again.Last != found.Last+1 || again.Cut.File != "" || r.records[len(r.records)-1] != "next" {
			t.Fatalf("%+v, then %+v", found, again)
		}
		for i, record := range s.records {
			if r.records[i] != record {
				t.Fatalf("record %d is another now", s.base+uint64(i)+1)
			}
		}
	})
}

// trimmed is a file without the zeros at its end.
func trimmed(d *simdisk.Disk, name string) []byte {
	return []byte(strings.TrimRight(string(d.Bytes(name)), "\x00"))
}

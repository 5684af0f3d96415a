package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func openShared(t *testing.T, path string, member view.ID) *Shared {
	t.Helper()
	s, err := OpenShared(path, 7, member)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// loaded is what a store has given.
type loaded struct {
	checkpoint []byte
	records    map[uint64]string
	last       uint64
}

// claim claims and loads a store.
func claim(t *testing.T, s *Shared, epoch uint64) loaded {
	t.Helper()
	if now, fenced, err := s.Claim(epoch); fenced || err != nil || now != epoch {
		t.Fatalf("epoch %d claims: the store is of %d, fenced %v, %v", epoch, now, fenced, err)
	}
	l := loaded{records: map[uint64]string{}}
	fenced, err := s.Load(epoch, func(b []byte) { l.checkpoint = append(l.checkpoint, b...) }, func(index uint64, b []byte) {
		if l.last != 0 && index != l.last+1 {
			t.Errorf("record %d comes after %d", index, l.last)
		}
		l.records[index], l.last = string(b), index
	})
	if fenced || err != nil {
		t.Fatalf("epoch %d loads: fenced %v, %v", epoch, fenced, err)
	}
	return l
}

func records(from, to uint64) (all [][]byte) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Appendf(nil, "record %d", i))
	}
	return all
}

// TestWhatIsRecordedIsLoadedByTheOther, with and without a checkpoint, as often as one takes over from the other.
func TestWhatIsRecordedIsLoadedByTheOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	stores := []*Shared{openShared(t, path, 1), openShared(t, path, 2)}
	index, saved := uint64(0), uint64(0)
	for epoch := uint64(1); epoch < 12; epoch++ {
		s := stores[epoch%2]
		l := claim(t, s, epoch)
		if want := string(bytes.Repeat(binary.BigEndian.AppendUint64(nil, saved), 300_000)); saved > 0 && string(l.checkpoint) != want || saved == 0 && len(l.checkpoint) > 0 {
			t.Fatalf("epoch %d: a checkpoint of %d bytes, which is not that of command %d", epoch, len(l.checkpoint), saved)
		}
		for i := saved + 1; i <= index; i++ {
			if l.records[i] != fmt.Sprint("record ", i) {
				t.Fatalf("epoch %d: record %d of %d is %q", epoch, i, index, l.records[i])
			}
		}
		if l.last > index {
			t.Fatalf("epoch %d: a record %d, and there are %d", epoch, l.last, index)
		}
		for range 3 {
			if fenced, err := s.Record(epoch, index+1, records(index+1, index+epoch)); fenced || err != nil {
				t.Fatalf("epoch %d: fenced %v, %v", epoch, fenced, err)
			}
			index += epoch
		}
		if epoch%3 == 0 {
			saved = index - 1
			if fenced, err := s.Checkpoint(epoch, saved, bytes.Repeat(binary.BigEndian.AppendUint64(nil, saved), 300_000)); fenced || err != nil {
				t.Fatalf("epoch %d: fenced %v, %v", epoch, fenced, err)
			}
		}
	}
	names, err := os.ReadDir(path)
	if err != nil || len(names) != 6 {
		t.Errorf("what is left is %v, %v", names, err)
	}
}

// TestAnEarlierEpochIsFenced in all that it does, and goes on in a later one.
func TestAnEarlierEpochIsFenced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	a, b := openShared(t, path, 1), openShared(t, path, 2)
	claim(t, a, 5)
	if fenced, err := a.Record(5, 1, records(1, 3)); fenced || err != nil {
		t.Fatal(fenced, err)
	}
	before, writes, err := b.Look()
	if err != nil || before != 5 {
		t.Fatalf("it is of epoch %d, %v", before, err)
	}
	if fenced, err := a.Beat(5); fenced || err != nil {
		t.Fatal(fenced, err)
	}
	if _, again, err := b.Look(); again == writes || err != nil {
		t.Errorf("a beat is not seen: %d and %d, %v", writes, again, err)
	}
	if l := claim(t, b, 8); l.last != 3 {
		t.Fatalf("%d records", l.last)
	}
	for name, do := range map[string]func() (bool, error){
		"record":     func() (bool, error) { return a.Record(5, 4, records(4, 4)) },
		"checkpoint": func() (bool, error) { return a.Checkpoint(5, 3, []byte("x")) },
		"beat":       func() (bool, error) { return a.Beat(5) },
		"load":       func() (bool, error) { return a.Load(5, func([]byte) {}, func(uint64, []byte) {}) },
		"claim":      func() (bool, error) { _, fenced, err := a.Claim(7); return fenced, err },
	} {
		if fenced, err := do(); !fenced || err != nil {
			t.Errorf("%s of an earlier epoch: fenced %v, %v", name, fenced, err)
		}
	}
	if fenced, err := b.Record(8, 4, [][]byte{[]byte("mine")}); fenced || err != nil {
		t.Fatal(fenced, err)
	}
	if l := claim(t, a, 9); l.last != 4 || l.records[4] != "mine" {
		t.Errorf("what was fenced is there: %+v", l)
	}
}

// TestTwoThatClaimAgainAndAgainLoseNothing: two processes' stores are claimed, written to and claimed again at
// the same time; whatever was said to be recorded is there at the end, with nothing else in its place.
func TestTwoThatClaimAgainAndAgainLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	var mu sync.Mutex
	said := map[uint64]string{} // by index
	var all sync.WaitGroup
	for who := range 2 {
		s := openShared(t, path, view.ID(who+1))
		chance := rand.New(rand.NewPCG(5, uint64(who)))
		all.Go(func() {
			for range 25 {
				highest, _, err := s.Look()
				if err != nil {
					t.Error(err)
					return
				}
				epoch := 2*(highest/2+1) + uint64(who)
				if _, fenced, err := s.Claim(epoch); err != nil {
					t.Error(err)
					return
				} else if fenced {
					continue
				}
				index := uint64(0)
				fenced, err := s.Load(epoch, func([]byte) {}, func(i uint64, _ []byte) { index = i })
				if err != nil {
					t.Error(err)
					return
				}
				for n := chance.IntN(8); n > 0 && !fenced; n-- {
					text := fmt.Sprintf("%d of %d in epoch %d", index+1, who, epoch)
					if fenced, err = s.Record(epoch, index+1, [][]byte{[]byte(text)}); err != nil {
						t.Error(err)
						return
					}
					if index++; !fenced {
						mu.Lock()
						if other, is := said[index]; is {
							t.Errorf("record %d is %q, and was %q", index, text, other)
						}
						said[index] = text
						mu.Unlock()
					}
				}
			}
		})
	}
	all.Wait()
	s := openShared(t, path, 3)
	highest, _, _ := s.Look()
	l := claim(t, s, highest+1)
	for index, text := range said { //tidy:unordered each is looked up
		if l.records[index] != text {
			t.Errorf("record %d is %q, and was said to be %q", index, l.records[index], text)
		}
	}
	t.Logf("%d records of %d were said to be there, in %d epochs", len(said), l.last, highest)
}

// TestAStoreOfOthersIsRefused: a second process of a member, another service's journal, and one that is damaged.
func TestAStoreOfOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	a := openShared(t, path, 1)
	if _, err := OpenShared(path, 7, 1); err == nil || !strings.Contains(err.Error(), "another process is m1") {
		t.Errorf("a second process of a member: %v", err)
	}
	claim(t, a, 1)
	if _, err := a.Record(1, 1, records(1, 50)); err != nil {
		t.Fatal(err)
	}
	other, err := OpenShared(path, 8, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Claim(2); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Load(2, func([]byte) {}, func(uint64, []byte) {}); err == nil || !strings.Contains(err.Error(), "cluster") {
		t.Errorf("another service's store: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(path, journalPrefix+"*", "segment-*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[200] ^= 4
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := openShared(t, path, 2)
	if _, _, err := damaged.Claim(4); err != nil {
		t.Fatal(err)
	}
	if _, err := damaged.Load(4, func([]byte) {}, func(uint64, []byte) {}); err == nil || !strings.Contains(err.Error(), "segment-") {
		t.Errorf("a damaged store: %v", err)
	}
}

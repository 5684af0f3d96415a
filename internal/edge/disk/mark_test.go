package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func openMark(t *testing.T, path string) *Mark {
	t.Helper()
	m, err := OpenMark(path, 7, 2)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAMarkIsThereAgain: the last number that was saved, in the next life.
func TestAMarkIsThereAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	m := openMark(t, path)
	if _, ok := m.Found(); ok {
		t.Error("a new directory has a number")
	}
	for _, n := range []uint64{1, 0, 1 << 40} {
		if err := m.Save(n); err != nil {
			t.Fatal(err)
		}
	}
	m.Close()
	// A life that ended while it wrote leaves a file that nobody reads.
	if err := os.WriteFile(filepath.Join(path, markFresh), []byte("hfe"), 0o600); err != nil {
		t.Fatal(err)
	}
	m = openMark(t, path)
	defer m.Close()
	if n, ok := m.Found(); n != 1<<40 || !ok {
		t.Errorf("found %d, %v", n, ok)
	}
	if _, err := OpenMark(path, 7, 2); err == nil || !strings.Contains(err.Error(), "uses this") {
		t.Errorf("a second one may write: %v", err)
	}
}

// TestADamagedMarkIsRefused at every bit, and cut at every byte.
func TestADamagedMarkIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	m := openMark(t, path)
	if err := m.Save(300); err != nil {
		t.Fatal(err)
	}
	m.Close()
	file := filepath.Join(path, markName)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) error {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := OpenMark(path, 7, 2)
		if err == nil {
			m.Close()
		}
		return err
	}
	for bit := range 8 * len(good) {
		b := append([]byte(nil), good...)
		b[bit/8] ^= 1 << (bit % 8)
		if err := try(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	for n := range len(good) {
		if err := try(good[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := try(good); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		cluster uint32
		member  view.ID
		want    string
	}{{8, 2, "another cluster"}, {7, 3, "and this is"}} {
		if _, err := OpenMark(path, c.cluster, c.member); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("cluster %d, member %d: %v", c.cluster, c.member, err)
		}
	}
}

// FuzzMark reads a file that nobody has written.
func FuzzMark(f *testing.F) {
	f.Add([]byte("hfepoch1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &Mark{cluster: 7, member: 2}
		if err := m.read(b); err == nil && len(b) != markSize {
			t.Errorf("%d bytes are read", len(b))
		}
	})
}

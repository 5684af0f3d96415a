package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestMain is also the other process of TestTwoProcesses.
func TestMain(m *testing.M) {
	if path := os.Getenv("GUARD_TEST_FILE"); path != "" {
		n, _ := strconv.ParseUint(os.Getenv("GUARD_TEST_TOKEN"), 10, 64)
		if err := count(path, n); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		return
	}
	os.Exit(m.Run())
}

// count adds a line to a guarded file many times, by reading all and writing all: what is
// lost if two do it at a time.
func count(path string, n uint64) error {
	f, err := NewFile(path, "x")
	if err != nil {
		return err
	}
	for range 50 {
		err := f.Update(context.Background(), Token{"x", n, true}, func(file *os.File) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			_, err = file.WriteAt(append(b, '.'), 0)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// TestTwoProcesses write under shared tokens at the same time, and no write is lost.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	var processes []*exec.Cmd
	for n := range 3 {
		p := exec.Command(os.Args[0])
		p.Env = append(os.Environ(), "GUARD_TEST_FILE="+path, fmt.Sprintf("GUARD_TEST_TOKEN=%d", n+1))
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, p)
	}
	for _, p := range processes {
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || len(b) != 150 {
		t.Errorf("%d of 150 writes are left, %v", len(b), err)
	}
	p := exec.Command(os.Args[0])
	p.Env = append(os.Environ(), "GUARD_TEST_FILE="+path, "GUARD_TEST_TOKEN=9")
	f, _ := NewFile(path, "x")
	if err := f.Replace(t.Context(), Token{"x", 10, false}, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if out, err := p.CombinedOutput(); err == nil || !strings.Contains(string(out), "token 9 of lock \"x\" is stale: 10 was seen") {
		t.Errorf("the other process writes under a stale token: %s, %v", out, err)
	}
}

// TestThePausedHolderOfAFile: also when a process was started anew in between, for the token is on the disk.
func TestThePausedHolderOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	ctx := t.Context()
	write := func(n uint64, content string) error {
		f, err := NewFile(path, "x")
		if err != nil {
			t.Fatal(err)
		}
		return f.Replace(ctx, Token{"x", n, false}, []byte(content))
	}
	if err := errors.Join(write(33, "a"), write(34, "of 2")); err != nil {
		t.Fatal(err)
	}
	var stale *Stale
	if err := write(33, "of 1"); !errors.As(err, &stale) || stale.Greatest != 34 {
		t.Errorf("the paused holder: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "of 2" {
		t.Errorf("the file has %q", b)
	}
	f, _ := NewFile(path, "x")
	if err := f.Update(ctx, Token{"x", 33, false}, func(*os.File) error { t.Error("asked to change it"); return nil }); !errors.Is(err, ErrStale) {
		t.Error(err)
	}
	if err := f.Replace(ctx, Token{"y", 99, false}, nil); err == nil || errors.Is(err, ErrStale) {
		t.Errorf("the token of another lock: %v", err)
	}
	other, _ := NewFile(path, "y")
	if err := other.Replace(ctx, Token{"y", 99, false}, nil); err == nil {
		t.Error("a file is guarded by two locks")
	}
}

func TestWaitingForAFileEndsWithItsContext(t *testing.T) {
	d, err := OpenDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	done, err := d.Admit(t.Context(), Token{"x", 1, false})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := d.Admit(ctx, Token{"x", 2, false}); err == nil || err.Error() != "enough" {
		t.Errorf("%v", err)
	}
	done()
	again, err := d.Admit(t.Context(), Token{"x", 2, false})
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// TestATornRecord: a crash during a write leaves what was there before, wherever it was cut; damage
// refuses everybody.
func TestATornRecord(t *testing.T) {
	first := record{"x", 1, seen{7, 0}}
	second := record{"x", 2, seen{8, 9}}
	whole := first.appendSlot(nil)
	for n := range len(whole) {
		if r, err := parseRecord(whole[:n], "x"); err != nil || r.turn != 0 {
			t.Fatalf("cut at %d: %+v, %v", n, r, err)
		}
	}
	file := append(append(whole, make([]byte, recordSlot-len(whole))...), second.appendSlot(nil)...)
	for n := recordSlot; n < len(file); n++ {
		if r, err := parseRecord(file[:n], "x"); err != nil || r != first {
			t.Fatalf("cut at %d: %+v, %v", n, r, err)
		}
	}
	if r, err := parseRecord(file, "x"); err != nil || r != second {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, _ := parseRecord(file, "y"); r.turn != 0 {
		t.Error("the record of another lock counts")
	}
	damaged := bytes.Clone(file)
	damaged[20]++
	if r, err := parseRecord(damaged, "x"); err != nil || r != second {
		t.Errorf("damage in the older slot: %+v, %v", r, err)
	}
	damaged[recordSlot+20]++
	if _, err := parseRecord(damaged, "x"); err == nil {
		t.Error("a damaged record lets in")
	}
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path+recordSuffix, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	f, _ := NewFile(path, "x")
	if err := f.Replace(t.Context(), Token{"x", 99, false}, nil); err == nil || !strings.Contains(fmt.Sprint(err), "damaged") {
		t.Errorf("%v", err)
	}
}

// TestAfterAFailedWriteNobodyIsLetIn: the kernel says only once that it could not write.
func TestAfterAFailedWriteNobodyIsLetIn(t *testing.T) {
	d, _ := OpenDirectory(t.TempDir())
	d.records.failed.Store(true)
	if _, err := d.Admit(t.Context(), Token{"x", 1, false}); err == nil {
		t.Error("let in")
	}
}

// TestARecordOfAProcessThatWasKilled: what it has written and not synced may be taken back by a crash, so whoever is let in by it
// writes it once more.
func TestARecordOfAProcessThatWasKilled(t *testing.T) {
	d, _ := OpenDirectory(filepath.Join(t.TempDir(), "a", "b"))
	token := Token{"x", 7, false}
	enter := func(d *Directory) record {
		t.Helper()
		done, err := d.Admit(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		done()
		files, _ := filepath.Glob(filepath.Join(d.path, "*.token"))
		b, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseRecord(b, "x")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := record{"x", 1, seen{7, 0}}
	for range 2 {
		if r := enter(d); r != want {
			t.Errorf("it says %+v, and should say %+v", r, want)
		}
	}
	other := &Directory{path: d.path}
	want.turn = 2
	for range 2 {
		if r := enter(other); r != want {
			t.Errorf("by another process it says %+v, and should say %+v", r, want)
		}
	}
	if r := enter(d); r != want {
		t.Errorf("what is known to be durable is written again: %+v", r)
	}
}

// TestTheModeIsKept: that of the file which is replaced, whatever the process's mask.
func TestTheModeIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const mode = 0o666
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	f, _ := NewFile(path, "x")
	if err := f.Replace(t.Context(), Token{"x", 1, false}, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("it has %v, %v", info.Mode(), err)
	}
}

func FuzzParseRecord(f *testing.F) {
	r := record{"x", 1, seen{7, 9}}
	f.Add(r.appendSlot(nil))
	f.Add(append(append(r.appendSlot(nil), make([]byte, recordSlot-37)...), r.appendSlot(nil)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseRecord(b, "x"); err == nil && r.turn != 0 && !bytes.Contains(b, r.appendSlot(nil)) {
			t.Fatalf("%x is read as %+v", b, r)
		}
	})
}

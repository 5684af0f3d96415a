//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package guard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// How often a record that others hold is looked at again. There is no system call that waits for a lock and
// for the end of a context.
const (
	retryMin = time.Millisecond
	retryMax = 20 * time.Millisecond
)

// Directory is a Register on the disk: a file for each lock, in which the token is durable before Admit
// returns. Several processes of one machine may use the same directory. One is in at a time, under
// whatever token; the others wait.
type Directory struct {
	path    string
	records records
}

// records are records of one user on the disk.
type records struct {
	// failed is set when a record could not be made durable. What is read from it then may be what a
	// crash will take back, so nobody is let in any more by this process.
	failed atomic.Bool

	// kept is what is durable for certain, by path: this process has synced it. What another one has written may not be
	// yet, if that was killed before its sync.
	mu   sync.Mutex
	kept map[string]seen
}

// keptMax is of how many records it is remembered that they are durable; beyond it all are written once more.
const keptMax = 65536

// knows says whether what a record says is durable for certain.
func (d *records) knows(path string, s seen) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept[path] == s
}

// note notes that what a record says is durable.
func (d *records) note(path string, s seen) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil || len(d.kept) >= keptMax {
		d.kept = map[string]seen{}
	}
	d.kept[path] = s
}

// OpenDirectory makes a Register in a directory, which it makes if it is not there. Keep it for as long
// as the resource is there: whoever removes a file lets former owners in again.
func OpenDirectory(path string) (*Directory, error) {
	if err := makeDirectory(path); err != nil {
		return nil, &OpError{"open directory", err}
	}
	return &Directory{path: path}, nil
}

// makeDirectory makes a directory, and those above it, if they are not there, and the names of what it has made durable: without them
// the records would be gone with their directory.
func makeDirectory(path string) error {
	var made []string
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); !errors.Is(err, os.ErrNotExist) || p == filepath.Dir(p) {
			break
		}
		made = append(made, p)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for _, p := range made {
		if err := syncDirectory(filepath.Dir(p)); err != nil {
			return err
		}
	}
	return nil
}

// Admit is that of Register.
func (d *Directory) Admit(ctx context.Context, t Token) (func(), error) {
	name := sha256.Sum256([]byte(t.Lock)) // a lock's name may be no file's name
	return d.records.admit(ctx, filepath.Join(d.path, hex.EncodeToString(name[:])+".token"), t)
}

// admit lets t in by the record at path, which is locked until done.
func (d *records) admit(ctx context.Context, path string, t Token) (func(), error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if d.failed.Load() {
		return nil, &OpError{"write " + path, errors.New("a write before could not be made durable: look at the disk, then start the program anew")}
	}
	f, err := lockRecord(ctx, path)
	if err != nil {
		return nil, err
	}
	done := func() { _ = f.Close() } // which unlocks it; nothing is left to be written
	r, err := readRecord(f, t.Lock)
	if err != nil {
		done()
		return nil, &OpError{"read " + path, err}
	}
	if r.seen.stale(t) {
		done()
		return nil, &Stale{t, r.seen.greatest()}
	}
	known := d.knows(path, r.seen)
	if next := r.seen.with(t); next != r.seen || !known {
		r.seen = next
		if err := keep(f, r, known); err != nil {
			d.failed.Store(true)
			done()
			return nil, &OpError{"write " + path, err}
		}
		d.note(path, next)
	}
	return done, nil
}

// keep makes a record durable; of a file that is new, its name first. What is not known to be durable must be so before the other slot is
// written, for if that is torn it is what counts.
func keep(f *os.File, r record, known bool) error {
	switch {
	case r.turn == 0:
		if err := syncDirectory(filepath.Dir(f.Name())); err != nil {
			return err
		}
	case !known:
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return writeRecord(f, r)
}

// lockRecord opens a record and waits until nobody else has it.
func lockRecord(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &OpError{"open record", err}
	}
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, &OpError{"lock " + path, err}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			_ = f.Close()
			return nil, context.Cause(ctx)
		}
	}
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

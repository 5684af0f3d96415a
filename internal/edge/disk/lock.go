package disk

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lockName is the file that is locked.
const lockName = "lock"

// lock is held by the one process that uses a directory. The kernel gives it back when
// the process ends, however it ends.
type lock struct{ file *os.File }

// takeLock locks a directory, or says who has locked it.
func takeLock(d *directory) (*lock, error) {
	f, err := os.OpenFile(d.in(lockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock it: %w", err)
		}
		holder := make([]byte, 20)
		n, _ := f.Read(holder)
		return nil, fmt.Errorf("process %s uses this journal; stop it, or name another directory: %w", strings.TrimSpace(string(holder[:n])), err)
	}
	// The number is for people; a disk so full that it cannot be written is found later.
	if f.Truncate(0) == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return &lock{f}, nil
}

func (l *lock) release() { _ = l.file.Close() }

package front

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenUnix makes the socket. One that a dead process has left behind is removed, after it was
// seen that nobody answers there; anything else in its place is left alone.
func listenUnix(path string, mode fs.FileMode) (*net.UnixListener, error) {
	if len(path) > pathMax {
		return nil, fmt.Errorf("the path %s has %d bytes; the kernel allows a socket %d: choose a shorter one", path, len(path), pathMax)
	}
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return nil, fmt.Errorf("%w; make a folder that this process may write, or choose another path", err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		// The kernel gives the name the mode of the descriptor, so there is no moment at which
		// others may connect.
		var failed error
		err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), uint32(mode.Perm())) })
		return errors.Join(err, failed)
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w; see that this process may write the folder of %s, or choose another path", err, path)
	}
	if err := os.Chmod(path, mode); err != nil { // the process's umask may have taken something off
		_ = l.Close()
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// processOf names who is at the other end of a connection.
func processOf(raw syscall.RawConn, connection uint64) uint64 {
	var who *unix.Ucred
	err := raw.Control(func(fd uintptr) {
		who, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil || who == nil || who.Pid <= 0 {
		return 1<<63 | connection
	}
	return uint64(who.Pid)
}

// removeStale removes a socket at which nobody answers.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s exists and is not a socket: remove it, or choose another path", path)
	}
	c, err := net.DialTimeout("unix", path, dialMost)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("somebody answers at %s; stop it, or choose another path", path)
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("whether somebody answers at %s cannot be found out: %w; remove it if nobody does", path, err)
}

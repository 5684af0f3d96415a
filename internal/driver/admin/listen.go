package admin

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

const (
	socketMode = 0o660 // owner and group may connect
	folderMode = 0o750 // of a folder made for the socket
)

// listenUnix makes the socket. A socket left behind by a dead node is removed, but
// only after it was seen that nobody answers there.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), folderMode); errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: have the folder made for this user, or name another socket in control { socket = … }", err)
	} else if err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: closedToOthers}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, bindError(path, err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// closedToOthers sets the mode before the socket has a name: the kernel gives the name
// the mode of the descriptor, so there is no moment at which others may connect.
func closedToOthers(_, _ string, raw syscall.RawConn) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), socketMode) }); err != nil {
		return err
	}
	return failed
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s exists and is not a socket: remove it, or name another in control { socket = … }", path)
	}
	conn, err := net.DialTimeout("unix", path, dialWait)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("%w: %s", ErrInUse, path)
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("whether a node answers at %s cannot be found out: %w", path, err)
}

func bindError(path string, err error) error {
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("%w: %s", ErrInUse, path)
	}
	return err
}

// caller is who is at the other end of a connection, as the kernel says.
type caller struct {
	known    bool
	uid, gid uint32
}

// callerOf asks the kernel (SO_PEERCRED, see unix(7)): the credentials that the other
// process had when it connected.
func callerOf(conn net.Conn) caller {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return caller{}
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return caller{}
	}
	var c caller
	_ = rc.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			c = caller{true, cred.Uid, cred.Gid}
		}
	})
	return c
}

// mayChange says whether the caller may change something: root, the user that the
// node runs as, or that user's group.
func (c caller) mayChange(uid, gid int) bool {
	return c.known && (c.uid == 0 || int(c.uid) == uid || int(c.gid) == gid)
}

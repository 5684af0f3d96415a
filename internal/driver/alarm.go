package driver

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// alarm is a timer that the poller of the Go scheduler waits for as for a socket. The
// scheduler's own timers are rounded up to a millisecond when a process is idle, ten
// times what a message takes.
//
// A later deadline does not move it: it then rings in vain once, which costs less than
// a system call each time that a deadline moves.
type alarm struct {
	mu    sync.Mutex
	fd    int
	armed bool
	at    time.Time
}

func (a *alarm) open() (int, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return -1, &OpError{"create timer", err}
	}
	a.fd = fd
	return fd, nil
}

// set makes it ring at a time, or before.
func (a *alarm) set(now, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.armed && !at.Before(a.at) || a.fd < 0 {
		return
	}
	a.armed, a.at = true, at
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(at.Sub(now), alarmMin)))}
	_ = unix.TimerfdSettime(a.fd, 0, &spec, nil) // a timer takes every time that is not negative
}

// rang takes note that it rang.
func (a *alarm) rang() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = false
	var b [8]byte
	_, _ = unix.Read(a.fd, b[:])
}

func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fd = -1
}

// duplicate gives a second descriptor of the same socket, which can be closed on its own.
// What must not block is polled; epoll descriptors of transports never block and have to
// say so.
func duplicate(fd int) (int, error) {
	two, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(two, true)
	}
	if err != nil {
		return -1, &OpError{fmt.Sprintf("duplicate descriptor %d", fd), err}
	}
	return two, nil
}

// watch calls fn, on a goroutine of its own, each time that a descriptor has become
// readable, and once at the beginning. The descriptor is closed with the cohort.
func (c *Cohort) watch(fd int, fn func()) error {
	f := os.NewFile(uintptr(fd), "descriptor "+fmt.Sprint(fd)) // it must not block, then it is polled
	c.files = append(c.files, f)
	raw, err := f.SyscallConn()
	if err != nil {
		return &OpError{"watch a descriptor", err}
	}
	c.ended.Go(func() {
		err := raw.Read(func(uintptr) bool {
			fn()
			return c.isClosed()
		})
		if err != nil && !c.isClosed() {
			c.Do(func() { c.fail(&OpError{"wait for a descriptor", err}) })
		}
	})
	return nil
}

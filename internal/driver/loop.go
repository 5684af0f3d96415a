// Package driver runs the machines of a daemon: it owns the clock, the sockets and the
// one thread on which everything happens.
//
// A [Loop] waits on descriptors and a deadline (epoll). A [Node] puts a
// [stack.Stack] on it: what arrives goes in, what the stack puts out is carried out:
// envelopes first, since a peer waits for them, then commands in order, whose
// completion goes in again. Many inputs of one wake-up make one output, so datagrams
// leave in batches.
//
// Nothing here is safe for concurrent use but [Loop.Do].
package driver

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpError says which operation of the loop failed.
type OpError struct {
	Op  string
	Err error
}

// Error gives the operation and its cause.
func (e *OpError) Error() string { return "driver: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Loop waits for descriptors, deadlines and calls from other goroutines, and runs
// everything on the goroutine that called Run.
type Loop struct {
	epoll   int
	wake    int // eventfd
	watched map[int32]func(now time.Time)
	ready   [eventsMax]unix.EpollEvent
	exact   bool // epoll_pwait2 is there: deadlines are exact to the microsecond

	mu     sync.Mutex
	calls  []func(now time.Time)
	closed bool
}

const (
	// eventsMax is how many descriptors one wake-up serves: more than a daemon has.
	eventsMax = 32
	// idleMax bounds a wait, so that a lost deadline is late and not lost.
	idleMax = time.Second
)

// NewLoop makes a loop.
func NewLoop() (*Loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, &OpError{"create epoll", err}
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, &OpError{"create eventfd", err}
	}
	l := &Loop{epoll: epoll, wake: wake, watched: make(map[int32]func(time.Time)), exact: true}
	if err := l.Watch(wake, l.runCalls); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Watch calls fn whenever fd is readable.
func (l *Loop) Watch(fd int, fn func(now time.Time)) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return &OpError{fmt.Sprintf("watch descriptor %d", fd), err}
	}
	l.watched[int32(fd)] = fn
	return nil
}

// Listen says whether a watched descriptor is waited for. One that is not is read at
// times of its owner's choosing.
func (l *Loop) Listen(fd int, on bool) error {
	event := unix.EpollEvent{Fd: int32(fd)}
	if on {
		event.Events = unix.EPOLLIN
	}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &event); err != nil {
		return &OpError{fmt.Sprintf("listen to descriptor %d", fd), err}
	}
	return nil
}

// Do runs fn on the loop. It may be called from any goroutine; it reports false if the
// loop has ended and fn will not run.
func (l *Loop) Do(fn func(now time.Time)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.calls = append(l.calls, fn)
	var one [8]byte
	*(*uint64)(unsafe.Pointer(&one)) = 1
	_, _ = unix.Write(l.wake, one[:]) // a full counter wakes as well
	return true
}

func (l *Loop) runCalls(now time.Time) {
	var b [8]byte
	_, _ = unix.Read(l.wake, b[:])
	l.mu.Lock()
	calls := l.calls
	l.calls = nil
	l.mu.Unlock()
	for _, fn := range calls {
		fn(now)
	}
}

// Run serves until ctx is done or done reports true. After each wake-up it calls step;
// deadline says when step wants to be called at the latest, zero meaning never. The
// loop keeps one of the processors of the Go scheduler for itself, see epollWait; Run
// gives the scheduler one more for as long as it runs.
func (l *Loop) Run(ctx context.Context, deadline func() time.Time, step func(now time.Time) (done bool)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	moreProcessors(1)
	defer moreProcessors(-1)
	stop := context.AfterFunc(ctx, func() { l.Do(func(time.Time) {}) })
	defer stop()
	for ctx.Err() == nil {
		n, err := l.wait(deadline())
		if err != nil {
			return err
		}
		t := now()
		for _, e := range l.ready[:n] {
			l.watched[e.Fd](t)
		}
		if step(t) {
			return nil
		}
	}
	return ctx.Err()
}

// processors guards the number of the Go scheduler's processors against loops that
// begin and end at once.
var processors = new(sync.Mutex)

func moreProcessors(n int) {
	processors.Lock()
	defer processors.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
}

// wait blocks until a descriptor is ready or the deadline has come.
func (l *Loop) wait(deadline time.Time) (int, error) {
	wait := idleMax
	if !deadline.IsZero() {
		wait = min(max(deadline.Sub(now()), 0), idleMax)
	}
	for {
		n, err := l.epollWait(wait)
		if err == unix.EINTR {
			return 0, nil
		}
		if err == unix.ENOSYS && l.exact {
			l.exact = false
			continue
		}
		if err != nil {
			return 0, &OpError{"wait", err}
		}
		return n, nil
	}
}

// epollWait prefers epoll_pwait2 (Linux 5.11), whose timeout is exact; epoll_wait
// counts milliseconds.
//
// The call is raw: the scheduler does not learn that the thread waits. If it did it would
// look every 20 microseconds whether to lend the thread's processor to others, which
// costs an idle node more than its heartbeats. When the world has to stop, for the
// garbage collector say, the signal that the scheduler sends for that ends the wait.
func (l *Loop) epollWait(wait time.Duration) (int, error) {
	if !l.exact {
		return unix.EpollWait(l.epoll, l.ready[:], int((wait+time.Millisecond-1)/time.Millisecond))
	}
	ts := unix.NsecToTimespec(int64(wait))
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.epoll),
		uintptr(unsafe.Pointer(&l.ready[0])), eventsMax, uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Close ends the loop for good; it must not run. Calls that did not run are dropped.
func (l *Loop) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		unix.Close(l.epoll)
		unix.Close(l.wake)
	}
}

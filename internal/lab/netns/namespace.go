package netns

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// threadNamespace is the network namespace of the calling thread. /proc/self would be
// the one of the process's first thread.
const threadNamespace = "/proc/thread-self/ns/net"

var errClosed = errors.New("it is closed")

// Namespace is one network namespace. It is safe for concurrent use.
type Namespace struct {
	name string
	fd   int
	work chan func()
	once sync.Once
	gone chan struct{} // closed by Close
	done chan struct{} // closed when the keeper has ended
}

// New makes an empty namespace. The name only serves messages.
func New(name string) (*Namespace, error) {
	n := &Namespace{
		name: name, fd: -1,
		work: make(chan func()), gone: make(chan struct{}), done: make(chan struct{}),
	}
	made := make(chan error)
	go n.keep(made)
	if err := <-made; err != nil {
		return nil, &OpError{Op: "make", Name: name, Err: err}
	}
	return n, nil
}

// keep is the goroutine whose thread stays in the namespace. Processes are started by
// this thread: the kernel ends a child of ours when the thread that made it ends
// (PR_SET_PDEATHSIG), so that must be a thread that lives as long as the namespace.
func (n *Namespace) keep(made chan<- error) {
	defer close(n.done)
	runtime.LockOSThread()
	home, err := unix.Open(threadNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		made <- err
		return
	}
	defer unix.Close(home)
	if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
		n.fd, err = unix.Open(threadNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	made <- err
	for err == nil {
		select {
		case f := <-n.work:
			f()
			continue
		case <-n.gone:
		}
		break
	}
	goHome(home)
}

// goHome takes the thread back. Where that fails the goroutine stays locked, and the
// runtime ends its thread with it: no other goroutine may meet the wrong namespace.
func goHome(home int) {
	if unix.Setns(home, unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
}

// Name is what New was given.
func (n *Namespace) Name() string { return n.name }

// FD is the descriptor that holds the namespace, for netlink sockets and the like. It
// belongs to the Namespace and is closed with it.
func (n *Namespace) FD() int { return n.fd }

// Do runs f on a thread that is in the namespace, and returns its error. A socket that
// f opens stays in the namespace; goroutines that f starts are not in it. Several
// calls run at the same time.
func (n *Namespace) Do(f func() error) error {
	if n.closed() {
		return &OpError{Op: "enter", Name: n.name, Err: errClosed}
	}
	result := make(chan error, 1)
	// A goroutine of its own, so that a caller that already locked its thread, in
	// whatever namespace, finds it as it was.
	go func() {
		runtime.LockOSThread()
		home, err := unix.Open(threadNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			runtime.UnlockOSThread()
			result <- &OpError{Op: "find the thread's own", Name: n.name, Err: err}
			return
		}
		defer unix.Close(home)
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			result <- &OpError{Op: "enter", Name: n.name, Err: err}
			return
		}
		err = f()
		goHome(home)
		result <- err
	}()
	return <-result
}

// Start starts cmd in the namespace. The process is killed when this process ends,
// however it ends; one that shall end with the Namespace is killed by its owner.
func (n *Namespace) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	result := make(chan error, 1)
	select {
	case n.work <- func() { result <- cmd.Start() }:
		return <-result
	case <-n.gone:
		return &OpError{Op: "start " + cmd.Path, Name: n.name, Err: errClosed}
	}
}

func (n *Namespace) closed() bool {
	select {
	case <-n.gone:
		return true
	default:
		return false
	}
}

// Close lets the namespace go. The kernel removes it when the last socket and process
// in it are gone as well. Close may be called more than once, but not while Do runs.
func (n *Namespace) Close() error {
	n.once.Do(func() {
		close(n.gone)
		<-n.done
		unix.Close(n.fd)
	})
	return nil
}

package driver

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// realTimePriority is just above ordinary work, since heartbeats must not wait for it,
// and nothing else in the system should wait for us. All threads have the same: one
// that spins for what another must do, as runtimes do for a moment, yields to equals
// only, and with a higher priority it would wait for ever.
const realTimePriority = 1

// passesMax bounds the looks at the list of threads; a thread may start another one
// while it is read.
const passesMax = 8

// Urgent gives the process the round-robin real-time class, so that heartbeats are not
// late because a machine is busy: a late heartbeat looks like a failure. The calling
// goroutine stays on its thread. The others have the class too, and threads to come
// inherit it: now and then the Go scheduler takes the turn from the loop, and another
// thread must run to give it back. It needs CAP_SYS_NICE or an rlimit;
// without, the loop runs as any other.
func Urgent() error {
	runtime.LockOSThread()
	self := unix.Gettid()
	if err := setPriority(self, realTimePriority); err != nil {
		return err
	}
	done := map[int]bool{self: true}
	for range passesMax {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return &OpError{"list the threads", err}
		}
		more := false
		for _, t := range tasks {
			id, err := strconv.Atoi(t.Name())
			if err != nil || done[id] {
				continue
			}
			if err := setPriority(id, realTimePriority); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			done[id], more = true, true
		}
		if !more {
			break
		}
	}
	return nil
}

func setPriority(thread, priority int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: uint32(priority)}
	if err := unix.SchedSetAttr(thread, &attr, 0); err != nil {
		return &OpError{fmt.Sprintf("take real-time priority %d", priority), err}
	}
	return nil
}

package driver

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// realTimePriority is just above ordinary work: heartbeats must not wait for it, and
// nothing else in the system should wait for us.
const realTimePriority = 1

// Urgent gives the calling goroutine's thread the round-robin real-time class, so that
// heartbeats are not late because a machine is busy: a late heartbeat looks like a
// failure. It needs CAP_SYS_NICE or an rlimit; without, the loop runs as any other. The
// goroutine stays on its thread.
func Urgent() error {
	runtime.LockOSThread()
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: realTimePriority}
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		return &OpError{fmt.Sprintf("take real-time priority %d", realTimePriority), err}
	}
	return nil
}

package client

import (
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime is CLOCK_BOOTTIME of clock_gettime(2), which package syscall has no name for.
const clockBoottime = 7

// sinceBoot is the time since the machine was started, sleep included.
func sinceBoot() time.Duration {
	var t syscall.Timespec
	if _, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&t)), 0); failed != 0 {
		panic("client: the kernel has no CLOCK_BOOTTIME, which Linux has had since 2.6.39: " + failed.Error())
	}
	return time.Duration(t.Nano())
}

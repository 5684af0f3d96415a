// Package netns holds network namespaces open without naming them anywhere.
//
// A [Namespace] lives by a file descriptor and one parked thread of this process, and
// by nothing else: no file under /run/netns, no process of its own. So when the
// process ends, by whatever cause, the kernel removes the namespace with every
// interface, address and rule in it.
//
// Making a namespace needs CAP_SYS_ADMIN in the user namespace that the process runs
// in; package userns gives it to an ordinary user.
//
// Source: namespaces(7), network_namespaces(7), setns(2), unshare(2), and the locking
// of goroutines to threads that [runtime.LockOSThread] describes.
package netns

// OpError says which step on which namespace failed. Err is the kernel's error.
type OpError struct {
	Op   string // what was tried, such as "make"
	Name string // the namespace, as its maker calls it
	Err  error
}

// Error gives `network namespace "fw1": make: operation not permitted`.
func (e *OpError) Error() string {
	return "network namespace \"" + e.Name + "\": " + e.Op + ": " + e.Err.Error()
}

// Unwrap gives the kernel's error.
func (e *OpError) Unwrap() error { return e.Err }

package ctnetlink

import (
	"errors"

	"golang.org/x/sys/unix"
)

// The errors a caller branches on.
var (
	// ErrOverrun says that the kernel had more events than the socket could hold, and
	// some are lost. What is in the table is found out with a Dump.
	ErrOverrun = errors.New("the kernel's events came faster than they were read, and some are lost")

	// ErrExists says that a Create found the flow in the table and left it as it was.
	ErrExists = errors.New("the flow is in the table already")

	// ErrInterrupted says that the table changed in a way that may have left entries
	// out of a dump.
	ErrInterrupted = errors.New("the table was resized during the dump, entries may be missing")

	// ErrTruncated says that the kernel sent more than fits into the buffer.
	ErrTruncated = errors.New("the kernel sent a message longer than the buffer for it")

	// ErrSilent says that the kernel did not answer all of a batch: whether its
	// operations were done is not known.
	ErrSilent = errors.New("the kernel did not answer a whole batch, its outcome is not known")
)

// OpError says what was being done when the kernel refused.
type OpError struct {
	Op  string // as in "open events"
	Err error  // a unix.Errno or an error of this package
}

// Error gives both on one line.
func (e *OpError) Error() string { return "conntrack: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

func opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{op, err}
}

// again says whether a non-blocking call has nothing to give now.
func again(errno unix.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }

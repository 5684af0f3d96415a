// Package cohort runs real processes that are members of a group, and keeps a record of
// all that each was asked and told, so that the judges of package check/group can judge
// them as they judge the simulator's.
//
// The program ([Run]) uses the public API only. It joins a group whose state is the list
// of messages delivered, multicasts messages of all orders and sizes, gives and takes
// snapshots, and writes each event as one line of JSON to a file, with the time of the
// kernel's monotonic clock, which all processes of a machine share. A line about a
// message is written before the message is multicast, and one about a delivery after it:
// so the lines of all files, sorted by time, are a history that has no effect before its
// cause. What the kernel has of a file outlives kill -9; a line that was cut off is left
// out, with the event that the process was about to act upon.
//
// The other side ([Process]) starts the program on a machine of a segment, kills it, stops
// it and reads its record.
//
// The campaign, in the tests of this package, lets three to five such processes live
// through everything that a network and an operating system do to them.
package cohort

// OpError says what could not be done with a process, and which.
type OpError struct {
	Op  string // such as "start a"
	Err error
}

// Error gives "cohort: start a: ...".
func (e *OpError) Error() string { return "cohort: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

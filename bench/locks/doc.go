// Package locks runs lock services of three members each, Holdfast's and etcd's, and clients that
// enter and leave locks, for the benchmark of locks. Members are processes as their users
// run them, one in each network namespace of a bed; the clients of all contenders are one
// process more ([load]), since what they cost is told apart from what the service costs.
//
// Each program has the settings that are best for it among those its own manual recommends;
// where they are not its defaults, the file that writes them says so.
package locks

// OpError says which step failed.
type OpError struct {
	Op  string // such as "start etcd on n1"
	Err error
}

// Error gives the step and its cause.
func (e *OpError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

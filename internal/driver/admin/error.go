package admin

import "errors"

// OpError is a failure of this package. Op says what was tried.
type OpError struct {
	Op  string
	Err error
}

// Error gives the operation and its cause.
func (e *OpError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Refusal is a "no": the request was understood and is not carried out as things are.
type Refusal struct {
	Reason string // for a person: the thing, the value
	Action string // a command that helps, or ""
}

// Error gives the reason.
func (r *Refusal) Error() string { return r.Reason }

var (
	// ErrForbidden is a change asked for by a user who may only read.
	ErrForbidden = errors.New("only root and the node's own user and group may change something")
	// ErrInUse is a socket at which another process answers.
	ErrInUse = errors.New("another node answers there")
)

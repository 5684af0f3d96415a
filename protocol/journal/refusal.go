package journal

import (
	"errors"
	"fmt"
)

// The errors of appending. Nothing has been taken.
var (
	// ErrFull says that too much waits to be written: the disk is slower than what is
	// appended. It passes.
	ErrFull = errors.New("too many records wait for the disk; wait for a completion and append again")
	// ErrCrowded says that there are as many segments as are allowed. It passes with a snapshot.
	ErrCrowded = errors.New("there are as many segments as are allowed; take a snapshot, and more often, or allow more")
	// ErrBusy says that a snapshot is being written.
	ErrBusy = errors.New("a snapshot is being written; wait for its completion")
	// ErrFailed says that the journal has failed before and takes nothing more.
	ErrFailed = errors.New("the journal has failed and takes nothing more; mend the disk and restart the process")
	// ErrClosed says that the journal is closed.
	ErrClosed = errors.New("the journal is closed")
)

// OpError says which operation on which file failed. For a log it is the end: a write or
// a sync that failed is not tried again.
type OpError struct {
	Op   string // "write", "sync", "create", "rename", "remove", "list", "restore", "apply", …
	File string // its name; empty for the directory
	Err  error
}

// Error gives "sync segment-…: no space left on device".
func (e *OpError) Error() string {
	if e.File == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + e.File + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Reason is why a journal is refused.
type Reason uint8

// The reasons.
const (
	Damaged        Reason = iota + 1 // bytes that were durable are not what they were
	Missing                          // a file that must be there is not
	ForeignCluster                   // it is of another cluster
	ForeignMember                    // it is of another member
	LaterVersion                     // a later version of the program has written it
)

// String names the reason.
func (r Reason) String() string {
	switch r {
	case Damaged:
		return "damaged"
	case Missing:
		return "missing"
	case ForeignCluster:
		return "foreign cluster"
	case ForeignMember:
		return "foreign member"
	case LaterVersion:
		return "later version"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Refusal says why a journal is not opened, where, and what to do. Nothing has been changed.
type Refusal struct {
	Reason  Reason
	File    string // its name in the journal's directory
	Offset  int64  // in bytes from the beginning of the file
	Index   uint64 // of the first record that cannot be had; 0 if none is meant
	Problem string
	Remedy  string
	Err     error // of reading, or nil
}

// Error gives "segment-…: byte 4711, record 12: the checksum is wrong and …; restore …".
func (e *Refusal) Error() string {
	s := fmt.Sprintf("%s: byte %d", e.File, e.Offset)
	if e.Index != 0 {
		s += fmt.Sprintf(", record %d", e.Index)
	}
	s += ": " + e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; " + e.Remedy
}

// Unwrap gives the error of reading, or nil.
func (e *Refusal) Unwrap() error { return e.Err }

// The remedies.
const (
	remedyDamage = "records that were acknowledged are lost here: restore the directory from a copy, or move it away, so that this member begins anew with the state of the others"
	remedyRead   = "look for errors of the disk; then restore the directory from a copy, or move it away, so that this member begins anew with the state of the others"
	remedyOwner  = "name this member's own directory in the configuration"
	remedyLater  = "run the version of the program that has written it, or a later one"
	remedyName   = "move it out of the directory"
)

package control

import (
	"errors"

	"github.com/holdfast-ha/holdfast/internal/driver/admin"
)

// OpError is a failure of this package. Op says what was tried.
type OpError = admin.OpError

// Refusal is a node's "no": the request was understood and is not carried out as
// things are. A [Node] returns it, and a [Client] returns it again.
type Refusal = admin.Refusal

// problem is the body of every answer that is not 200.
type problem = admin.Problem

var (
	// ErrForbidden is a change asked for by a user who may only read.
	ErrForbidden = admin.ErrForbidden
	// ErrInUse is a socket at which another node answers.
	ErrInUse = admin.ErrInUse
	// ErrOther is a question that is for another kind of node: a firewall has no groups, and
	// a process in groups protects no addresses.
	ErrOther = errors.New("the node there does not know that question")
	// ErrUnreachable is a node that does not answer at its socket.
	ErrUnreachable = errors.New("no node answers")
)

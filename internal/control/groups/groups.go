// Package groups has the words in which a process tells of its groups, for those that ask
// through internal/control and show it. They are those of internal/driver/census, which is
// below what may be asked from the command line.
package groups

import "github.com/holdfast-ha/holdfast/internal/driver/census"

// What a process in groups answers, and what that consists of.
type (
	// Status is who is in the groups of a process, and what waits for whom.
	Status = census.Status
	// Group is where one group stands.
	Group = census.Group
	// Member is what is known of another member.
	Member = census.Member
	// View is a view with what led to it.
	View = census.View
	// Service is where the replica of a service stands, Copy what is known of another member's
	// copy, and Disk what this member keeps.
	Service = census.Service
	Copy    = census.Copy
	Disk    = census.Disk
	// Proceed asks one of two servers to go on alone.
	Proceed = census.Proceed
)

// The verdicts on a group.
const (
	// Whole: nothing is missing, and a further failure is survived.
	Whole = census.Whole
	// Degraded: the group goes on; something is missing, or no failure is survived.
	Degraded = census.Degraded
	// Blocked: the group does not go on, for want of votes.
	Blocked = census.Blocked
	// Stopped: the group goes on, and its service does not.
	Stopped = census.Stopped
)

// What a member can be to the failure detector.
const (
	NeverHeard = census.NeverHeard
	Trusted    = census.Trusted
	Suspected  = census.Suspected
)

// What is known of a copy, in so far as it is not good.
const (
	Diverged = census.Diverged
	Away     = census.Away
	Untold   = census.Untold
)

// Predecessor is why a message is held back that waits for the one before.
const Predecessor = census.Predecessor

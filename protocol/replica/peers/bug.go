package peers

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// simulator and its judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug          Bug = iota
	NoWindow           // a session is ended as soon as its member is out of the view
	OpensAtOnce        // a founding does not wait for those who may still believe
	CountsDelivery     // a lease is counted from when its renewal was delivered
	SameNumbers        // numbers begin anew with each founding
	OpensEarly         // who was expelled opens a session while it may still believe in the former
	ForgetsGone        // who is given a state does not see in it who is gone
	AsksFirst          // a member executes what it asks before it is ordered, and not again
)

package identity

import "time"

const (
	// nameMax bounds names in bytes: two of them must fit a frame many times over.
	nameMax = 63

	// every is how often a member says its names to one that it does not hear: a person
	// waits for the answer.
	every = time.Second
)

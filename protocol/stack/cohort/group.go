package cohort

// Group is a node's place in one group.
type Group struct{}

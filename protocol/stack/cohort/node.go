package cohort

// Node is a process's place in all its groups.
type Node struct{}

// Package group runs three members of a group in three network namespaces, on one switch,
// and measures them: Holdfast, and what people use for totally ordered multicast today.
//
// A member is a process that speaks the lines of package line; what differs from program
// to program is only how it is built and started. A [Bed] is the three machines, a
// [Program] what is started on them and with what settings, a [Cluster] the running
// members. Each program has the settings that are best for it, and the best of several
// where that depends on the load.
//
// Sources: corosync.conf(5) and cpg_overview(3) of Corosync 3.1.7; sequencer.xml of
// JGroups 2.12; the manuals of NATS JetStream 2.15 and hashicorp/raft 1.8.
package group

// OpError says which step failed.
type OpError struct {
	Op  string // such as "start Corosync on n1"
	Err error
}

// Error gives the step and its cause.
func (e *OpError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

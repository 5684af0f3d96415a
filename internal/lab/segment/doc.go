// Package segment builds one Ethernet segment on one machine: machines in network
// namespaces of their own, each with one interface on a common switch, and between any
// two of them what a network does to packets at its worst: it loses some, or all, one
// way or both.
//
//	a ---+
//	b ---+--- switch (a bridge in a namespace of its own)
//	c ---+
//
// The addresses are of 203.0.113.0/24, which is for documentation; the switch floods IP
// multicast as a plain one does. A fault is a packet filter at the receiving machine
// (nf_tables), before anything there sees the packet: the sender notices nothing, and
// both kinds of transport lose alike. ARP goes on.
//
// It needs root, or the right to make network namespaces that package userns gives.
// Nothing is left behind, even when this process is killed: namespaces live by its
// descriptors, and what was started on a machine is killed with it.
package segment

// OpError says which step on the segment failed, and where.
type OpError struct {
	Op  string // such as "connect a"
	Err error
}

// Error gives "segment: connect a: ...".
func (e *OpError) Error() string { return "segment: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Package demo shows on one machine what Holdfast is for: a client, two firewalls and a
// server, transfers that run through the active firewall, and what becomes of them when
// it loses its power, and when it hands over as planned.
//
// [Run] builds the test bed of package lab, writes the two nodes' files into a temporary
// folder, and starts two real `holdfast run` processes in the firewalls' namespaces. The
// links are sealed with a new key; there are two, sync and lan; virtual addresses are
// IPv4 and IPv6. It asks the nodes what any user could ask them, through their control
// sockets, and reads their logs.
//
// Then three phases are measured with the same load (package traffic): calm, in which
// nothing happens and which shows what the machine itself does to the figures; a power
// cut, which is SIGKILL and all cables at once; and a planned switch. An established flow
// is one whose connection stood at least 50 ms before the fault: replication never holds a
// packet back, so what changed in the last coalesce (2 ms) and a datagram's way is
// allowed to be lost with a node. The long transfers are all far older. Short
// requests that were under way are counted on their own.
//
// Nothing is left behind: the networks and the processes go with this process, however
// it ends; the temporary folder goes unless it ends by SIGKILL.
//
// The figures are explained in docs/guides/demo.md.
package demo

import "fmt"

// OpError says which step of the demonstration could not be taken. Err tells the
// remedy.
type OpError struct {
	Op  string
	Err error
}

// Error gives "demo: start fw1: ...".
func (e *OpError) Error() string { return "demo: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// LostError says that established flows were lost. The figures have been written.
type LostError struct{ PowerCut, Switch int }

// Error gives the numbers.
func (e *LostError) Error() string {
	return fmt.Sprintf("established flows were lost: %d by the power cut, %d by the planned switch", e.PowerCut, e.Switch)
}

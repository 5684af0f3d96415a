// Package daemon is `holdfast run`: it makes the parts of a node from its configuration
// file, joins them on one loop, and takes them apart again.
//
// What is where: daemon.go opens and closes; kernel.go carries the stack's orders to
// the connection tracker and the addresses, and the kernel's events to the stack;
// answer.go answers the admin API; record.go turns trace events into log lines.
//
// On a clean stop nothing is left in the kernel that was not there before, except
// what must stay: flows that traffic made, and nf_conntrack_events=1, without which
// entries made while no daemon listens never tell of their end.
package daemon

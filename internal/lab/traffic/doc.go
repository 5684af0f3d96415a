// Package traffic is what clients do on the test bed of package lab, and what they see.
//
// A [Load] runs three kinds from client to server, through whichever firewall holds the
// virtual addresses:
//
//   - long transfers: TCP connections on which the server sends small chunks at a fixed
//     interval. A chunk carries the flow's number, its own, and the time of its
//     sending; the client checks every byte. Most are slow, to be many; a few are fast,
//     to tell silence exactly.
//   - probes: a UDP datagram a millisecond, answered by the server. TCP's timers have
//     no part in what they show.
//   - short requests: connect, GET, read to the end, close; at a rate.
//
// A test or demo calls [Load.Mark], does harm, and calls [Load.Settle]: the [Report] says
// how many flows there were, how many went on, and how long clients heard nothing.
// [Fetch] makes a given number of short requests as fast as the machine can.
//
// Each kind is one goroutine over an epoll instance of its own, so a thousand flows cost
// the machine little more than their system calls. Client and server are one process
// with one clock, so a chunk's delay is exact.
//
// Source: seed 2, chapter 7, whose client fetched files of 4 KiB over HTTP, up to 2,500
// a second.
package traffic

// OpError says what the load was doing when it failed.
type OpError struct {
	Op  string
	Err error
}

// Error gives "traffic: open flows: ...".
func (e *OpError) Error() string { return "traffic: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

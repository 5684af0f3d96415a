// Package control is how a running node is asked and told: HTTP with JSON over a Unix
// socket.
//
//	GET  /v1/status   one [Status]
//	GET  /v1/watch    server-sent events: a Status now and after every change, at most ten a second
//	POST /v1/switch   {"to": "fw2"}: hand the addresses over; "" picks the only other node
//	POST /v1/resync   {"peer": "fw2"}: send the peer every state again
//	GET  /v1/version  the program's [Version]
//	GET  /metrics     the Status as Prometheus metrics, named in docs/guides/status.md
//
// Who may ask what, and how a "no" is answered, is that of internal/driver/admin, which
// also answers at the sockets of processes that are in groups.
//
// The node behind it is a [Node]; it gives facts. What follows from them (is the
// service protected, why not, what to do) is concluded in one place, [Status.Judge],
// for people, scripts and metrics alike.
package control

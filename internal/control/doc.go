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
// Whoever may connect may read: the socket's mode is 0660 and a folder made for it
// 0750. What changes something is answered to uid 0, the node's own uid and its own
// gid only, as the kernel names the caller (SO_PEERCRED).
//
// The node behind it is a [Node]; it gives facts. What follows from them (is the
// service protected, why not, what to do) is concluded in one place, [Status.Judge],
// for people, scripts and metrics alike.
//
// An answer that is not 200 carries {"error": …, "action": …}. 400 is a request that
// makes no sense, 403 one that the caller may not make, 404 an unknown path, 409 one
// that the node refuses now ([Refusal]), 503 a node or server that is too busy.
package control

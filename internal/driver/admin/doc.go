// Package admin is the door by which a running process is asked and told: HTTP with JSON
// over a Unix socket. What there is to ask is its caller's: internal/control has a node
// of a pair behind it, the package holdfast the groups of a process.
//
// Whoever may connect may read: the socket's mode is 0660 and a folder made for it 0750.
// What changes something is answered to uid 0, the process's own uid and its own gid
// only, as the kernel names the caller (SO_PEERCRED); see [Change].
//
// An answer that is not 200 carries {"error": …, "action": …}. 400 is a request that
// makes no sense, 403 one that the caller may not make, 404 an unknown path, 409 one
// that is refused as things are ([Refusal]), 503 a process that is too busy.
package admin

// Package job is what clients and members of a service say to each other about jobs: calls that
// run long, at one member, outside of the replicated state. They have effects of their own (a
// file is written, a machine is switched on), and go on when their client has died: then they
// are orphans, and protocol/call decides what becomes of them.
//
// Bytes: docs/rfc/0027-job.md. They travel over the connections of docs/rfc/0021-front.md.
//
// # Promises
//
// None by itself: these are words. A job is run at most once, at one member in one of its
// lives, and ends with that life; its client hears of its end, or that it is not known.
//
// # Cost
//
// 28 bytes a message besides what it carries; two messages a job, and two each half quantum
// where jobs expire.
package job

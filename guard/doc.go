// Package guard refuses, at a resource, whoever is not the owner of its lock any more.
//
// A lock service can end a lease, and cannot stop a process: one that was paused between looking whether it holds the lock and
// writing wakes up after another was granted it, and writes. Each grant has a token that is greater than all before
// (service/lock); so the resource remembers the greatest it has seen, and refuses what comes with less.
//
//   - [Handler] guards an http.Handler, and [Transport] adds the header at the client's side;
//   - [File] guards a file;
//   - [SQL] guards what a database transaction writes;
//   - a [Register] is what remembers: [Memory] for as long as the process lives, [Directory] on the disk.
//
// # Source
//
// C. G. Gray, D. R. Cheriton, Leases, SOSP 1989; M. Burrows, The Chubby lock service, OSDI 2006, section 2.4
// (sequencers); M. Kleppmann, How to do distributed locking, 2016, for the story of the paused holder,
// which is a test of each guard. Formats: docs/rfc/0015-lock.md, sections 6 and 7.
//
// # Promises
//
//   - When anything was done under a token, nothing is begun under one that it makes stale.
//   - What was begun under a lesser token is over before anything is done under a greater one: a
//     request that was admitted and then took its time is waited for, not overtaken.
//   - [File], [Directory] and [SQL] have the token on the disk before, or together with, what is done under it.
//
// An exclusive token makes all lesser ones stale. A shared token makes lesser exclusive ones stale
// and no shared one: those who share a lock act at the same time.
//
// # Assumptions
//
// Tokens are those of one lock service that never goes back. Whoever can reach a guarded resource is believed: a token
// that was never given, if it is great enough, makes all real ones stale. The file system of File and Directory is local and
// keeps what it has synced.
//
// # Limitations
//
// A guard refuses the former owner from the moment at which something comes under a later token, not from
// the grant. [Register] can be told of a grant or a break before anything comes under it: admit the token and do nothing.
// With [Memory] a restart forgets, so that a former owner may be the first to come.
package guard

// Package lock is the lock service: enter and leave, an owner and a queue for each name, as
// a deterministic state machine that any style of replication runs (protocol/session,
// Service), and the holder's side, which knows when it has to stop ([Holder]).
//
// A client enters a lock for exclusive or shared use and is granted it at once or waits in its
// queue. What is granted has a token, a number of the whole service that only grows: a resource
// that remembers the greatest one it has seen refuses whoever was the owner before (package guard).
// When a session ends, with its client's crash or silence, its locks go to who is next and
// its places in queues are gone. Commands and replies are docs/rfc/0015-lock.md.
//
// # Source
//
// The seed's lock server: owner and queue; a client that fails in the queue, or in the critical
// section; a server that fails and recovers with its state (stateful: [Service.Snapshot]) or from what
// its clients remember (stateless: [Config.Window]). With a strict order they must know
// their place in the queue, so they are told a turn, which, unlike a place, never grows old.
// Tokens: C. G. Gray and D. R. Cheriton, Leases (SOSP 1989); M. Burrows, The Chubby lock
// service (OSDI 2006), section 2.4, sequencers.
//
// # Promises
//
// In the agreed order of commands:
//
//   - Exclusion: a lock has one exclusive owner, or any number of shared ones, or none.
//   - Tokens: each grant has a number greater than all before, over snapshots, breaks and recoveries.
//   - Strict order: waiters are granted in the order in which they began to wait, and nobody
//     passes them. Loose order: shared requests may pass while the lock is shared, at
//     most OvertakesMax times for each exclusive waiter before and including oneself.
//   - No lost waiter: if the first in the queue can be granted the lock, it has been, but
//     while the window of recovery is open.
//   - A session that ended owns nothing and waits for nothing.
//   - Enter is idempotent: again in the same session it tells the token or the present place. Ask tells the
//     same and enters nothing.
//
// # Recovery without state
//
// A service with a [Config.Window] begins with nothing. While the window is open clients
// assert anew which tokens they hold and which turns they wait with; nothing is granted. Of assertions that exclude each
// other the greater token wins, in whatever order they come; who loses is told. Then the queues go on in the order of turns; if
// nobody came back all is free. Numbers begin above the floor ([Service.Founded]), which is above all that can have been given
// before, and an assertion above it is refused: so no client can make the numbers jump. docs/guarantees.md says why the floor is high
// enough. No session has a lease longer than the window ([Service.LeaseMost]).
//
// # Assumptions
//
// Commands come from one agreed order with an agreed time; a session's commands are executed
// once (protocol/session), and a client that leaves or cancels has no Enter of the same lock on its way: one
// that came later would enter it again. Who is not in time for the window has lost, and knows it, for its lease is not longer.
//
// # Limitations
//
// A lock is a session's, not a goroutine's: two who use one session share what it holds. There is no conversion
// from shared to exclusive, and no search for deadlocks. Between a grant and its margin's end
// a stopped process may still act; only a guard at the resource makes that harmless.
//
// # Cost
//
// A grant at once, with its release, is two commands, no notice and, in the steady state, no
// allocation. A waiter costs one notice more.
package lock

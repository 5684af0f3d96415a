// Package session is what a client asks of a replicated service and what it is answered, and
// the table that makes an answer the same however often it is asked for: requests and
// replies ([Request], [Reply]), the sessions of clients with their leases and kept replies
// ([Table]), and the deterministic whole of table, service and agreed time that every
// replication style replicates ([Executor]).
//
// # Source
//
// The five classes of failure of a remote call, and the semantics maybe, at least once and at most
// once: B. J. Nelson, Remote Procedure Call, 1981, and A. S. Tanenbaum, M. van Steen, Distributed
// Systems, section 8.3. Kept replies and what the client acknowledges: A. D. Birrell, B. J. Nelson,
// Implementing Remote Procedure Calls, 1984. The table as a part of the replicated state, with
// sessions that end by agreed time: B. Liskov, J. Cowling, Viewstamped Replication Revisited, 2012;
// D. Ongaro, Consensus: Bridging Theory and Practice, 2014, section 6.3. Leases: C. Gray, D. Cheriton, 1989.
//
// # Promises
//
//   - Executors that were given the same requests in the same order, or a snapshot of one that was and
//     the rest, have the same state, gave the same replies and have the same digest at each index.
//   - A call that is remembered (at most once, exactly once) is executed once at most, whatever is
//     repeated, reordered or late, and each further copy has the same reply until the client has
//     acknowledged it; a copy after that is not executed.
//   - A call that was answered Cancelled is never executed.
//   - A session ends at the agreed time of its last request plus its lease or at its Close, and
//     the service is told, in the order of time and ID. Its ID is not given again.
//   - No lease ends before it has passed since its last request was stamped, if no clock is fast: also not by the stamp of a
//     member whose clock is ahead of that of the one which stamped the request, for what goes by with a stamp does not count
//     for sessions whose last request its member had not executed.
//   - Memory is bounded: limits.go.
//
// # Assumptions
//
// The service is deterministic. The agreed time is proposed by members whose clocks run well; one that
// proposes a time far ahead ends sessions early. Whoever knows a session's ID and nonce is its client.
//
// # Limitations
//
// The digest finds mistakes, not enemies. Versions of a program that differ in limits.go must
// not be replicas of one another.
//
// Formats: docs/rfc/0013-session.md.
package session

// Package call is the client's side of a replicated service: it finds who serves, opens and renews a session, sends
// calls, repeats, hedges and gives up, and says of each call what can be known of it. And it is,
// at the server's side, what becomes of calls that run long when their client has died ([Orphans]).
//
// # Source
//
// Semantics, classes of failure and answers to orphans: B. J. Nelson, Remote Procedure Call, 1981, as taught in
// A. S. Tanenbaum, M. van Steen, Distributed Systems, section 8.3. Hedging: J. Dean, L. A. Barroso, The Tail
// at Scale, 2013. Leases: C. Gray, D. Cheriton, 1989.
//
// # The five classes of failure, and what a caller can know
//
//	class                                what the client sees            Outcome
//	1 the server cannot be located       no server can be reached        NotExecuted: it was never sent
//	2 the request was lost               silence                         Unknown at the deadline
//	3 the server crashed before or       silence, or a connection that   Unknown; exactly once is asked again, at
//	  after executing                    breaks                          another server, until there is an answer
//	4 the reply was lost                 silence                         the same
//	5 the client crashed                 nothing: it is another client   see Orphans; the session ends by its lease
//
// In 2, 3 and 4 the client sees the same, so it cannot say which it was. A refusal by a server does not prove
// either that a call was not executed: a copy of the request, late on the network, may come to a server that has
// changed its mind. What proves it is in the table of sessions: [Machine.Cancel] makes it known for a remembered
// call whether it was executed, and if it was not, keeps it from being so.
//
// # Promises
//
//   - Each call that was taken has one Result, at its deadline at the latest, or at the end of the lease.
//   - NotExecuted: the call was not executed and will not be, whatever is still on the network.
//   - Executed: it was, and the reply is that of the execution; of a remembered call, of the only one.
//   - Calls at most once and exactly once are executed once at most. A call exactly once is repeated until it is
//     answered, or its deadline or the session ends.
//   - Until [Machine.LeaseEnd] the service has not ended the session, unless its owner closes it.
//
// # Assumptions
//
// now does not go back, does not stand still while the computer sleeps, and loses no more than the margin of the
// lease against the members' clocks. rng is seeded with what no other client has. Messages may be lost, repeated, reordered.
// The table of sessions is as protocol/session promises.
//
// # Limitations
//
// Calls of one session are not ordered among one another: whoever wants that waits for the reply.
//
// # Cost
//
// A call is one request of its body and 44 bytes and one reply of its body and 36, if nothing is lost; renewing is a
// request and a reply each third of the lease in which nothing else was answered. A step allocates nothing.
package call

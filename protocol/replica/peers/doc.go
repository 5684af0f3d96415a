// Package peers replicates a service that has no servers: every member of a group is a client of it
// and a replica of it at once. What a member asks is multicast in one total order to all,
// each executes it when it is delivered, and the member that asked takes the answer from its own
// replica. With the lock service (service/lock) this is mutual exclusion among equals, in which nobody but those who want
// the lock keeps its queue.
//
// # Source
//
// L. Lamport, Time, Clocks, and the Ordering of Events in a Distributed System (CACM 1978): requests go to everybody with a
// stamp, everybody keeps the same queue by the order of stamps, everybody acknowledges, and who is first in
// the queue and has heard from all enters. Stamps and acknowledgements are those of the group's order engine
// (protocol/order, lamport): a message is delivered when no lower stamp can come any more. Lamport's processes do not
// fail; here who crashes or is cut off is taken out by a change of the view, and who comes in is given the queue as it is
// at the cut. Multicast with acknowledgements, who is alive and who has acknowledged, and coming back in: the lecture notes on
// distributed mutual exclusion and on groups behind service/lock.
//
// # When a member must not believe any more
//
// A member's *session* lasts from its Open until its Close, or until the others end it. It is renewed by each of the
// member's messages that is delivered to the member itself, and counts from the moment s at which that was
// handed to the group. So long as the lease l from the last such s has not passed (less the drift of clocks, see
// service/lock.Holder) the member may believe in what its session holds. The others must end the session later than that:
//
// (1) A message that is uniform and was delivered in the middle of a view is held by members, no witnesses, whose votes meet every quorum of that view
// and more than half of the configured votes: [Config.Seats] and [Machine.Viewed] refuse a view in which that cannot be,
// as if there were none. One delivered at the end of a view, to who goes on to the next, was followed by the report of its sender.
//
// (2) A view without the member is decided by a quorum of the last that had it. So one of that quorum held
// the message before it took no more of that view, which is before the decision; and it held it after s. A group founded anew is
// founded by more than half of the configured votes, among lives that know of no view: one of the holders is over
// then, and was so after s; or by all candidates, when the member itself had been told that it is out. So in any case
// whoever installs a view without the member does so after s.
//
// (3) Each member counts the lease from the moment at which it is told of the view, or is given a state that says that the session's
// member is gone, by its own clock. When it has passed at the most senior one, that multicasts Over, and all end the session
// at the same place in the order. If it crashes, the next most senior has counted as well. Its clock may be
// fast by the drift d, so at least l/(1+d) of true time has gone by; the member has stopped after l·(1-d)/(1+d) by its
// clock, which may be slow by d: no later.
//
// Nobody compares clocks, and nothing is assumed of how long messages take. A place in a queue is no belief: a member that is
// gone loses its places at once.
//
// # Founding, and founding anew
//
// A group that begins with nothing, or has lost what it had (a view without enough votes counts as that, too), is given a state by the most
// senior member: Found, with a number that is greater than all that was given before: the greater of the view's epoch and what
// the life's clock shows, which began as its incarnation, in nanoseconds; so it is, unless more than a thousand million tokens are given in a second, or
// wall clocks of members differ by more than it takes to lose all and begin anew. Tokens are counted up from it, so they grow over all views and lives.
//
// Somebody may still believe in a lock of a former founding. So nothing is granted until the lease has passed at the
// most senior member since then (Opened), or until all configured members have opened a session in
// this founding: a member opens one only when it believes in nothing any more.
//
// # Coming back
//
// A member that was expelled and lives is told so, maybe late. Its session ends then, at once if it held nothing; else when its lease
// has passed, for until then it is right to believe. Only then it opens another. That tells the others
// that nobody believes in its former ones, and they end them without waiting longer. A process that was
// started anew is another life, of which nothing is known; the lease is waited for.
//
// # Promises
//
//   - All members execute the same in the same order; a member's call is answered once, or fails because the
//     session has ended: then it may have been executed, in a session that will be ended.
//   - A session that holds something is not ended while its member may believe in it; one that holds nothing is ended at once.
//   - Numbers given to the service as its floor grow from founding to founding.
//   - After the faults have ceased everything that was asked is answered.
//
// # Assumptions
//
// The group is of partition primary, stateful, and its messages here are total, FIFO and uniform. All members have the
// same lease: one that has another is told so and is not served. Whoever changes it stops all of them first. A process
// has a name of the configuration to itself. Clocks run equally fast within the drift.
//
// # Limitations
//
// A witness has no state and does not help: of a pair and a witness both of the pair must be there. A crash frees what
// was held after the detection, the change of the view and the lease; nobody can tell it from a cut. All is in memory.
//
// # Cost
//
// A call is one multicast of some 20 bytes more than its body, and n-1 stamps, for n members. While a session holds something it is
// renewed five times a lease if nothing is asked. At rest there is nothing. Frames: docs/rfc/0023-peers.md.
package peers

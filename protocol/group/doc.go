// Package group agrees on who the members of a group are: joining, leaving, expulsion and
// merging, through crashes at any step.
//
// A view ends in one agreement among its members, numbered by ballots in the manner of
// Paxos (Lamport 1998) and of the view change of Viewstamped Replication (Oki and Liskov
// 1988). What is agreed is an [Outcome]: the next view, and the cut, which is the set of
// packets that everybody delivers before it.
//
//	Prepare   the proposer, the most senior member that is heard, begins a ballot
//	Report    a member stops sending and taking, and says what it holds and what it has
//	          accepted; it takes no part in lower ballots any more
//	Fill      whoever lacks something that a reporter holds fetches it from there
//	Filled    … and has it
//	Propose   the outcome: that of the highest ballot that a reporter accepted, or else a new one
//	Accepted  by a quorum of the votes of the view that ends; then it is decided
//	Commit    everybody installs the next view
//
// An outcome is proposed only after all reporters, who alone can be in the next view, hold
// its cut. So whoever has to adopt an outcome of a ballot before, because it may be decided,
// can complete it, however many have crashed since; and old packets need not be kept once a
// view has ended. (This is where the textbook flush of virtual synchrony, "send all unstable
// messages, then flush", has its hole: a coordinator that dies between the two.)
//
// A group is founded by the same agreement: it ends the void view, whose seats are all
// candidates that the configuration names. In it, and in the views of a group with
// partition = primary, a quorum is more than half of the votes. A life that knows of a view
// that may still go on takes no part in a founding. If all candidates are heard, and those
// who do not report are outside and know of no later view, then the reporters go on without
// a quorum: the lives that are missing are over, and no other component can exist.
//
// With partition = primary there is one latest view, and its epoch is greater than all
// before. So whoever shows that it takes an earlier one for the present is told how the
// latest came about, by anybody who knows, and is out of its own: members of the latest view,
// those that ask, and those that have left.
//
// Founders that have known no view in their lives begin together, with nothing. Otherwise
// everybody comes into a founded view anew, and the first gives its state to the others.
//
// With partition = all there is no quorum: the present members of a view that hear one
// another go on. Components that meet merge: the members of the one whose view has the lower
// name end their view with a cut, and ask to be let into the other.
//
// Messages for a view of s members: a change takes s-1 Prepare, Report, Propose, Accepted
// and Commit, and with losses Fill and Filled; at rest each candidate sends one Pulse to
// all others in each pulse interval, of about 50 bytes plus the terms.
//
// The frames are in docs/rfc/0012-group.md. Promises: docs/guarantees.md, V1 to V8.
// Sources: Cristian 1991; Birman and Joseph 1987; Chockler, Keidar and Vitenberg 2001;
// "vues synchrones" and "réinsertion" as in Krakowiak's lectures on fault tolerance.
package group

// Package voted replicates a service by N-modular redundancy with spares (triple modular
// redundancy for N = 3: von Neumann 1956, Lyons and Vanderkulk 1962): members execute every
// command in one agreed order, vote on each reply, and no client is answered what one
// member alone has made up. So a bit that flips in a member's state is seen by no client.
//
// The first N members of the view that are no witnesses and were not retired are the voters;
// the order of seats is the order of succession. The others are spares: they have the state, execute
// everything, take requests, and do not vote.
//
// There is no single voter. Each voter tells all members the digest of what it has made of each
// command: of the state and the reply, and of all before. Every member counts for
// itself, and the one to which the client came answers when more than half of the voters,
// two at least, have told the digest that it has itself. If that member fails the
// client asks another: the table of sessions has the reply, and it is voted on anew.
//
// # Who disagrees
//
// Votes are delivered in the agreed order, and what is decided follows from them and nothing else: so
// all members decide the same at the same place. Commands are decided in their order. A voter that
// does not tell the majority's digest is retired: it is named with the command, the next spare
// votes from there on, and it goes out and comes in anew with another's state, as the most junior. A spare that finds
// that its own digest is not the one decided does the same. When voters differ and none
// of their digests can get a majority any more, nobody knows who is right and all stop.
//
// # State for joiners
//
// A copy of a state is no second opinion of it. At the beginning of each view all who come from the
// one before execute a step of no time, which takes the whole state into the digest, and vote on it; the
// joiner gets the state after it and votes on what comes later only. So a joiner that was given a
// damaged state learns it before it votes: commands are decided in their order.
//
// # On disks
//
// How a service is kept on disks, and why nothing that was answered is lost, is said in package protocol/replica/active.
// Here a command is written when it was *decided*, and what was decided is the member's own digest. As digests are those of all before, the
// log of a disk is what a majority had, all of it: a bit that flips in a member's state is not only seen by no
// client, it comes to no disk. Commands are decided in the agreed order, and who goes on to the next view has executed the
// same; so the logs within an era are beginnings of one sequence, as step (3) of the argument wants.
//
// A snapshot is used when a command after it was voted on, since memory may go bad between the vote on a state and the
// copying of it. A state that was given is put on the disk, in the place of what is there, when the vote on a later command has
// shown that it is right. Until then what was there is kept, and is what this member stands for at a founding. After a
// founding all have the state of one, so nobody can vote on it; it was voted on before it was written.
// The first voter lets time pass if nothing else happens, so that there is something to vote on and all disks have it soon.
//
// Outside of views a member goes back to what it has written, whatever it has executed since and even if that is nothing, as a
// primary does when it is ahead (protocol/replica/passive), and at the same price, a second copy of the state: what is in
// its memory may be damaged, nobody votes on it there, and it may be what all are given at a founding.
//
// With a Comparer there are no disks: members differ by right, and so does a log from what is executed again.
//
// # Comparisons
//
// Some services cannot give the same reply to the last bit: sensors, floating point on different
// machines. Such a service brings a [Comparer]. Then whole replies are voted on, those that count as
// the same are together, and the client is given what the comparer makes of them, such as the median. Digests mean
// nothing then and are not looked at, and a call that is asked again may be answered slightly
// differently, within the tolerance, if voters have changed meanwhile.
//
// # What is assumed
//
// Less than half of the members, and of the voters, are damaged, down or without a state that was
// voted on, all together. A member whose memory is damaged sends what it has; that its program does
// something else than was written is another thing, and needs members that sign what they say.
//
// # Cost
//
// Each command is multicast once, and each voter multicasts 8 bytes a command, many in one message when there is load; a spare
// its digest, five times a second at most and once before it rests. A
// client is answered after two rounds instead of one. Messages: docs/rfc/0020-voted.md.
package voted

// Package order delivers the messages of a view in the orders that they ask for: none, FIFO or
// causal, each of them total or not, and each of these uniform or not. Messages of
// all twelve kinds may be mixed in one group.
//
// Below it are the streams of a view: every member has one, and its records reach all others, in
// order, unless a record needs none. A [Machine] is given the records of all streams, its own
// too, with how much of each stream enough members hold ([Machine.Agreed]); it gives deliveries, and control
// records for the own stream. The records are in docs/rfc/0008-order.md.
//
// # Source
//
// The six combinations, and uniformity beside them, are those of S. Krakowiak's course on fault tolerance
// (part 2, "Diffusion : propriétés"). So are two of the three engines: the sequencer ("la
// méthode la plus courante"; that it can fail is left there as an exercise), and the stamps that
// the receivers of a message give it, of which the greatest counts, as in the first ABCAST (Birman
// and Joseph, Reliable Communication in the Presence of Failures, 1987). There the receivers tell each
// other their stamps; in the paper they tell the sender, which announces the greatest. Here every proposal is in a
// stream that all read, so it is as in the course, one message time faster. The third engine is
// Lamport's multicast (Time, Clocks, and the Ordering of Events, 1978): a message is delivered when it is first in
// the queue and everybody has acknowledged it; any later stamp is an acknowledgement. Causal order
// is by vectors of what was delivered (Birman, Schiper and Stephenson, Lightweight Causal and Atomic
// Group Multicast, 1991), written as differences.
//
// # Promises
//
// As long as the streams keep theirs (each record once, unchanged, in order, at all members that stay in the view; the same
// records at all that close it):
//
//   - A message is delivered at most once, by whom it reached.
//   - FIFO: after all that its sender multicast before with FIFO or more, and not without these.
//   - Causal: FIFO, and after all causal messages that its sender had delivered or sent before, and not without.
//   - Total: any two members deliver their total messages in the same order, none left out in between
//     (a member that is not in the next view may have delivered more than the others know of).
//   - Uniform: if any member delivers it, even one that fails then, all that close the view deliver it;
//     and if it is total, in the same order to all other total messages that both deliver.
//   - Whoever closes the view has then delivered the same set, total messages in the same order.
//   - When every record has reached all members and agreement has come, everything is delivered.
//
// A member may deliver messages without order, or with FIFO or causal order alone, in another sequence than others.
//
// # Why nothing waits in a circle
//
// A message can wait for three kinds of others: those before it in its sender's chain, those it
// depends on, and those before it in the total order. The first two were sent, and the
// dependencies delivered by its sender, before it was sent; so a circle must go from a total message x,
// over zero or more messages that are not total, by chain and dependency to a total message y that comes after x
// in the total order. There is none, since y comes before x:
//
//   - If the way from x to y goes by chain only, both are of one sender, y sent first. Each engine orders
//     the total messages of a stream as the stream does: the sequencer counts along it, stamps grow along it, and
//     each member's proposals grow along it, and so do the greatest of them.
//   - Otherwise take the first dependency on the way: a message u, which is x or one that x's sender C sent before, depends on
//     d, which C had delivered before it sent u, with all that d waits for; y is among that. So y had its place when x
//     was sent. Sequencer: y had its number, x gets a later one, for whoever is handed
//     the numbering begins after all that was numbered before. Lamport: C had received y, and x's stamp is greater. ISIS: C had
//     received all proposals for y, and its own for x is greater.
//
// Nor do places wait for deliveries: numbers, clocks and proposals are given for what is received. Nor does
// agreement: it is on what is held. A uniform message waits for the agreement on what it depends on as well, and on what
// fixes its place; all of that is in streams already.
//
// One circle is beyond this package: the window of a stream is held up by messages that are not delivered, these
// by control records, and these by the window of another stream. The sequencer and Lamport exclude it
// (what a stream's records wait for was numbered, or stamped lower, before they were sent). With ISIS it is
// excluded only if control records do not wait for packets with messages to be released.
//
// # Why closing agrees with what was delivered
//
// All that close have the same records R; let one of them have delivered the total messages t1 to tk. Then
// these are the first in R's order, and each can be delivered in turn: its predecessors were delivered, so they are in R.
//
//   - Sequencer: R has the records that number t1 to tk, and numbers are read in one order, whoever gave them: a
//     later sequencer's only after the handover. What has no number in R comes after.
//   - Lamport: whoever delivered tk had seen a clock of every member that is not lower. Whatever else R has of
//     any stream is later in it, with a greater stamp.
//   - ISIS: R has all proposals for t1 to tk. Take e in R with all proposals, and lower than tk: who delivered tk had proposed
//     for e, before (then it would not have delivered tk first) or after (then more than tk's
//     priority): a contradiction. What has not all proposals comes after.
//
// What remains is delivered by a rule that looks at R alone. As whatever is not total only waits for fixed sets of
// others, it makes no difference to the total order when it is delivered.
//
// A uniform message u that was delivered elsewhere is in R, with all that u needs: its stream up to u is held by
// enough members, and so are the streams of what its chain up to u depends on. Its place is the same: the stamp is in it; its number
// is in a record that is agreed, with the handovers before; and with ISIS the proposals for it and for
// all that was delivered before it are. For ISIS the last is needed: otherwise a message before u could have lost its
// priority and come after u. A number cannot be lost if a later one is not.
//
// # Limitations
//
// Causality is that among causal messages of one view. Messages of members that are not in the next view may
// be lost, unless they are uniform and delivered by someone. The total order waits for its slowest part:
// with Lamport and ISIS for every member, with the sequencer for one. Members are believed: one that lies can stop the order,
// though it cannot make another panic.
//
// # Cost
//
// For a total message of one of n members, beside itself, in control records, at most (a record serves all messages
// of a step): sequencer one of 2 to 5 bytes; Lamport n−1 of 2 to 9 bytes, none from members that send total messages themselves; ISIS n of
// 4 to 12 bytes. Delays after reception by all: one message time, none at the sequencer; one; one. A causal header takes 1 byte and 2 to 6 for each
// member of which more was delivered. A message held takes 64 bytes and its record. Time: BenchmarkDeliver.
package order

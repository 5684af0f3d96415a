// Package cast carries the messages of a view: each member has one reliable stream of
// packets, first in first out, to all others. What is done with the messages (orders,
// agreement on views) is not its matter.
//
// # The protocol
//
// The owner submits records, strings of bytes of any length. They are packed into
// packets and split over packets, so that under load every packet but the last of a
// burst is full, and all full ones have the same size, [wire.FrameMax]. Packets are
// numbered from 1 in each view. A receiver acknowledges to everybody up to which packet
// it has everything, and asks (Nack) for those that are missing: the sender first, any
// other member known to hold them if that is suspected or does not answer. A packet is
// kept by everybody until all members have acknowledged it (it is stable) and until the
// local owner has released it. An acknowledgement also tells what was released: a sender
// never is more than its window ahead of the slowest member's released packets, which
// is the flow control. Within it, a second, smaller window adapts to the network: it
// falls mildly with losses, never below [windowMin].
//
// Whoever has packets out that not all have acknowledged asks those who have not, less
// and less often; that message tells the last packet, so that a lost end is noticed.
// When everything is stable nothing is sent.
//
// # Views
//
// [Machine.Install] begins new streams. Packets name the view they are of and are
// dropped by who is not in it; a member that comes into a view later than others knows
// what it had to drop and asks for it at once. A view change takes the streams to their end:
// after [Machine.Freeze] nothing is sent and nothing taken; [Machine.Holding] tells
// what there is; [Machine.Fetch] gets what other members hold; [Machine.Complete] hands over
// the rest, after which all who had the same cut have handed over the same records.
//
// # Promises
//
// All members hand over the records of a stream in the order of their submission, each
// once, and whole; those submitted with [Early] may come out of that order, once all the
// same. What was acknowledged, reported by Holding or handed over stays here until it is
// stable or the next view is installed. A step in a steady state allocates nothing.
// Memory is bounded by the windows (limits.go).
//
// # Assumptions and limits
//
// Members crash or are correct; the transport authenticates them. A member that never
// releases or acknowledges stops every sender of its view: it is named
// ([Machine.Slowest]) and must be suspected, or cured, by somebody else.
//
// Sources: the transmission layer under virtual synchrony as Birman and Joseph describe
// it (unstable messages kept by all, flushed at a view change), negative acknowledgements
// as in SRM (Floyd et al. 1995) and PGM (RFC 3208). The formats are fixed by
// docs/rfc/0007-cast.md.
package cast

// Package stateproxy replicates the state of a service that changes it by itself: a
// firewall, a SIP proxy, a VPN gateway. The service is never slowed: a proxy beside it
// hears of each change and tells the proxies of other members, asynchronously.
//
// A proxy keeps an internal cache, the objects of its own service, and one external
// cache for each peer it backs up. Only the latest state of an object counts. A
// retransmission therefore sends the object's present state under a new number, and a
// change that was replaced before it was sent is never sent at all.
//
// # The protocol
//
// Messages to a peer are numbered. The peer takes them in whatever order they come,
// asks at once for the numbers that are missing (Nack), and confirms those it has
// settled (Ack), one confirmation for a window of messages. What was sent and is not
// confirmed stands in the resend queue, one entry an object at most. Every frame says
// below which number everything is settled, so that a number whose object has been
// sent again under a later one is not waited for.
//
// A new peer, a restarted one, one that was silent and one that has diverged are told
// everything: a new generation of numbers in which every object is announced, and an
// end marker after which the peer removes what was not announced.
//
// Every cache has a digest, the sum of 64-bit hashes of its objects, kept up to date at
// each change. The sender remembers what the digest was after each frame; an Ack
// carries the receiver's digest at the number it has settled. Equal digests prove that
// the peer holds exactly what was sent: the peer is [Proven]. It is [Behind] while
// messages are unconfirmed, and [Diverged] when the digests differ, which begins a
// resync.
//
// # Promises
//
// After the network is calm, every external cache equals its source. What is shown as
// proven is so. Memory stays within the bounds of limits.go, and reaching a bound is a
// named event followed by a resync, never a silent loss. Bytes from outside never
// panic and, unless authentic, change nothing.
//
// # Assumptions and limits
//
// Members crash or are correct; they do not lie (the transport authenticates them).
// A change is lost with its node if that dies before the change was sent, which is
// [Config.Coalesce] plus the way of one datagram. Two caches that differ have equal
// digests by chance once in 2^64 comparisons.
//
// # Cost
//
// For n changed objects, p peers and frames of f messages: p·n/f data frames and
// p·n/AckWindow acknowledgements, none repeated without loss. An announcement of an IPv4
// TCP flow takes about 30 bytes, an update 12, a Destroy 3, a frame 34 more and its
// envelope 66. An idle pair exchanges 5 Marks and 5 Acks a second in each direction.
//
// # Source
//
// The seed of this protocol is P. Neira Ayuso's thesis proposal on fault-tolerant
// stateful network software (Seville), chapters 4, 5.1 (sequence numbers, Nack and
// windowed Ack, current state) and 6.1 (Destroy may wait; replacement by identity).
// Where it is left is said in docs/divergence.md; the bytes are in
// docs/rfc/0003-stateproxy.md.
package stateproxy

// Package transfer brings the state of a group to a member that joins it: as it was at a
// cut, from a member that has it, the donor.
//
// The joiner pulls. It asks for ranges of bytes (docs/rfc/0010-transfer.md), many at a time, and asks again
// for what does not come; the donor passes each request on to its owner (Ask), which answers
// with bytes (Data). So the donor keeps no state and no timer, a joiner may be silent for as long
// as it likes and then go on, and so may a joiner whose donor died, with another one at the
// same cut: bytes are named by their offset.
//
// # Source
//
// What is transferred when is view synchrony's state transfer, as in K. P. Birman and T. A. Joseph,
// Exploiting Virtual Synchrony in Distributed Systems, SOSP 1987, section 3.4. Round trips
// are estimated as in RFC 6298, losses found as in RFC 8985 (RACK), the window is that of
// TCP but for how far it falls: see limits.go.
//
// # Promises
//
//   - Chunks are the bytes of the state of the cut that was asked for, from the first, in order,
//     each once.
//   - Done comes after the last, if and only if the size and the CRC-32C over all of them are what the
//     last donor computes from its own bytes: two donors whose bytes differ are found out, wherever
//     that is.
//   - If the donor lives, is reached now and then, and its owner answers, a transfer ends.
//   - A donor that withdraws the cut is an event, Failed. One that does not answer is none: the
//     joiner asks once a second, and its owner decides.
//
// # Assumptions
//
// Who sent a message, and in which life, is proved by the transport. Owners of one cut have
// the same bytes; a serialization in the order of a Go map does not.
//
// # Limitations
//
// Nothing keeps a donor's owner from being asked by all joiners at once. The memory of a
// joiner is 1.4 MB for as long as it fetches. The sum finds mistakes, not enemies.
//
// # Cost
//
// A state of b bytes takes b/1344 frames of at most 1391 bytes, one request for 16 to 32 of them, and
// one more round trip for the sum if the owner's answers were not in order. With loss p each way, about
// 1/(1-p) times as many. A donor keeps 10 KB a joiner, no bytes of the state. A step
// allocates nothing.
package transfer

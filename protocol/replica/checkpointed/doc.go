// Package checkpointed is a pair of processes of which one serves and the other takes over from the disk: the
// primary saves its state now and then to a store that both reach, and each request in between. Nothing is
// answered that is not saved.
//
// # Source
//
// J. F. Bartlett, A NonStop Kernel, 1981; "application à la reprise dans Tandem" in Krakowiak's lectures on
// fault tolerance: the state is saved periodically to a disk, each watches the other ("I am alive"), and when
// one is silent for too long the survivor resumes from the last checkpoint. The log of the messages since,
// and the store's epoch as a fence, are those of the field's replicated logs.
//
// # The store
//
// The store is whatever does [Operation]s: it keeps an epoch, a checkpoint and the records behind it. Its owner
// carries Output.Store to it and brings back each [Result] with [Machine.Done]. It refuses writes of an epoch
// older than the one that claimed it last, so that a primary that was taken for dead, paused or cut off
// cannot write, and therefore cannot answer, any more. There is no split brain, whatever the network does, as long
// as the store is one.
//
// # Taking over
//
// A standby that does not hear the primary, or is not heard, looks at the store: if it is written to, the primary
// lives (it writes for the sake of it while it hears nobody), and all stays as it is. If not, the standby claims
// the store with an epoch of its own, loads the checkpoint and the records, executes these, and serves. A client's request
// that comes to the standby is a hint that shortens the wait. What the old primary had executed and not saved was answered to
// nobody; what it had saved and not answered is answered from the table of sessions when the client repeats it
// (protocol/session).
//
// A primary that the store does not answer, or fails, resigns and says so, and the other tries. After an error a member
// does not use the store again in its life: what a disk has after a failed write, nobody knows.
//
// Who comes back has nothing to copy.
//
// # Replaying
//
// Each record carries the digest after its command. A survivor that comes to another one stops with the command's
// name ([Halted]): clients were answered by a state that it cannot make again, and so the service is not deterministic or
// the store is damaged.
//
// # Time
//
// As in protocol/replica/pair: the agreed time stands still while nobody serves.
//
// # Promises
//
//   - Nothing is answered before its record is durable.
//   - Whoever crashes, and whenever, both at once too: clients see one server that does not fail, as long as the store
//     keeps what it has said to be durable.
//   - At most one member writes in an epoch, and none in an older one than the store's.
//   - With the store reachable, the survivor serves within the detection time, three heartbeats (six, if it never heard
//     the other serve), and what it takes to load.
//   - Memory is bounded: limits.go.
//
// # Assumptions
//
// The service is deterministic. The store does a member's operations in their order, each of both members' at one
// moment, and what it says to be durable stays. Who sent a message, and in which life, is proved by the transport.
//
// # Limitations
//
// The store is not replicated by this package. The standby is cold: it loads when it takes over, so the takeover takes longer the
// larger the state and the longer ago the last checkpoint is. A checkpoint is made, and restored, in one step, and is held in memory
// once more. A service that is not deterministic is found when a survivor replays it, not before.
//
// # Cost
//
// A command takes one record of 8 bytes more than its request, and no frame. Two frames of 55 bytes a heartbeat. A
// command allocates nothing. Formats: docs/rfc/0018-checkpointed.md.
package checkpointed

// Package duo puts the two styles of two servers on a process's node: protocol/replica/pair, of which the
// backup answers, and protocol/replica/checkpointed, of which the survivor takes over from a store. Requests and answers are
// those of protocol/stack/replicated, so that a driver runs either.
//
// # Clients
//
// A client speaks with the member on its machine (docs/rfc/0021-front.md), and the pair's machine assumes that the backup
// can answer it too. So the stack carries requests and answers (docs/rfc/0025-duo.md): a request that comes in
// where nobody serves goes to the other member if that one does, and an answer to a client of the other member goes there. What a client
// is called has its member's number and some bits of its life, so that both mean the same.
// What is carried may be lost: the client asks again, and the table of sessions answers.
//
// # The arbiter
//
// With the policy Arbitrate a third process answers who may go on alone ([Arbiter]): it keeps one number for each service, on
// a disk, and answers when it is there. It is a witness of the same cluster, and knows neither commands nor states.
//
// # The door
//
// Two servers that are configured otherwise must not believe each other: each might take itself for the one that goes on alone. They tell
// each other their terms first (Config.Terms), and listen to no life whose terms are others. A new one does nothing while it hears such a
// life; one that has served, or has been one of two, goes on as if the other had crashed.
//
// # Suspicion
//
// What a member of two must know is not whether the other lives but whether it hears this one, in which role and epoch: that is in
// the machines' own statements, with the node's heartbeat and patience. The process's detector adds what it knows: whom it
// suspects, the machine waits for no longer.
//
// # Limitations
//
// Requests and answers of more than 1363 bytes are carried in pieces, and all of them if one is lost: large ones need a network that
// loses little. A member that leaves says nothing: the other takes it for crashed.
package duo

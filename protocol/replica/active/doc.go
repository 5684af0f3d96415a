// Package active replicates a service actively: every member executes every command, in one
// agreed order, so that each is as good as any other and the crash of one is nobody's
// business (a state machine; "redondance active" in Krakowiak's lectures on fault tolerance,
// Lamport 1978, Schneider 1990).
//
// A client's request may come to any member. That member multicasts it, totally ordered and
// uniform, to all; each executes it when it is delivered, and the one to which it came
// answers. If that one crashes, the client asks another: the table of sessions, which is a
// part of the state, knows whether the request was executed, and the answer is given again
// (protocol/session).
//
// # Coming in
//
// Who comes in is given the state as of the beginning of its first view. Requests before
// that point are in the state and are not executed again; those behind it are held back
// until the state is here (the seed's two cases of "réinsertion"). The group does both.
//
// # Time
//
// Every command carries the agreed time at which its proposer thinks that it is: the agreed
// time of the last command that it has executed, and what has gone by since on its own
// clock. The agreed time is the greatest that was executed. So it never runs ahead of real
// time by more than the drift of clocks, whoever proposes, and stands still while the group
// does: nobody's lease ends because a view change took long. The most senior member lets
// time pass, by a message, when the service has something to do by time.
//
// # Replicas that differ
//
// Every message of a member carries the digest of its state at some index; a member that
// was silent for a while tells it by itself. Whoever finds that it differs from its own at
// that index says so, and then all members of the view tell their digests of the last
// commands, in the agreed order. When all are there, all decide the same: the first index
// at which they differ names the command, and who is not with more than half of the members
// has diverged: it is named, gives its state up, and is given the others'. If no more than
// half agree, the service is not deterministic and nobody can say who is right: all stop,
// and say which command it was ([Halted]).
//
// # Cost
//
// One multicast a command, of 24 bytes more than the request; n digests of 13 bytes after a
// burst of commands. Frames: docs/rfc/0016-active.md.
package active

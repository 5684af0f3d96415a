// Package active replicates a service actively: every member executes every command, in one
// agreed order, so that each is as good as any other and the crash of one is nobody's
// business (a state machine; "redondance active" in Krakowiak's lectures on fault tolerance,
// Lamport 1978, Schneider 1990).
//
// A client's request may come to any member. That member multicasts it, totally ordered and
// uniform, to all; each executes it when it is delivered, and the one to which it came
// answers. What a client sends again while it is under way there is not multicast again. If
// that member crashes, the client asks another: the table of sessions, which is a
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
// does: nobody's lease ends because a view change took long. Clocks of members may be apart: who was given
// the state a moment ago knows of nothing that went by since the last command. So a command says
// which one its proposer had executed, and no lease counts time that was told by somebody who had not heard of its
// renewal (protocol/session). The most senior member lets
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
// A copy is not better than what it was made of: who is to give its state to a joiner looks first
// whether it is the one that its last command has left (session.ErrChanged). If it is not, it gives
// nothing, says that it has diverged, and is given another's. If nobody else has one it stops ([Halted]), and so does
// a member that has diverged and is to found the group anew, since nobody who was right is left.
//
// # On disks
//
// A service of any style may be durable (protocol/stack/replicated); what is said here of the others is in their packages. Each member then writes every command
// that it executes to a journal, in the agreed order, with the digest after it, and a snapshot
// now and then. A client is answered when disks with more than half of the votes that are
// *configured* have its command, the answering member's own or not. Members say how far their
// disks have come in the head of their messages, and by themselves when a sync has ended. The
// view's quorum would not do: it may have shrunk, and after a power cut no more can be asked for
// than that more than half of the configured members come back. In a view with fewer votes
// what is under way is executed and not answered until enough are back; new requests are refused
// as busy.
//
// That an answered command x is never lost, in steps:
//
// A founding begins an *era*, a number that is greater than all that its founders have
// promised or know. A state has a *position*, its era and the index of its last command;
// positions are compared in that order. (The index alone will not do: a member that came no
// further than command 9 of an era may execute nine others, answered, in the next, while one that
// was away has twelve of the former, which nobody was answered for.)
//
// (1) Each founder reports its position. The outcome begins with the greatest, whose owner
// gives its state to all. Who accepts the outcome has compared its own position again, and has
// put the promise to take nothing of an earlier era on its disk *before* it says so. More than half
// of the configured votes must have; a disk that is new or was lost (it has promised nothing)
// counts for none of them.
//
// (2) Nothing is written of an era before it is decided. So if x was answered in era e, disks M
// of more than half have it, and were written while their promise was no later than e. For each
// later era f that any disk has a state of, more than half have promised f; one of them is in M, and
// promised after it had x, for afterwards it would have written nothing of e. So f begins with a
// position that is no less than one that has x.
//
// (3) Within an era the members' logs are beginnings of one sequence, for it goes on only by
// view changes in which more than half of the lives of the last view have a say; a view that
// loses more than that is given up, and the group is founded anew, even where with memory alone
// the one that is left would go on. So two positions that are equal have the same commands,
// and the greater of one era has all of the less. By induction over the eras from e to f, every
// state of f has x.
//
// What was executed and not answered may survive, or be undone. The table of sessions is a
// part of what is kept: repeated, it is executed once all the same.
//
// Who comes into a living group is given its state, and its journal is replaced by that in one
// step. Its promise keeps it out of an era that is earlier; a group that meets somebody who has
// promised a later one gives itself up and is founded anew, for that era may have come about.
//
// A write or a sync that fails ends the process: nothing more is executed or answered there.
//
// # Cost
//
// One multicast a command, of 24 bytes more than the request; n digests of 13 bytes after a
// burst of commands. On disks: a sync of each member for all commands that came during the one before,
// and n messages of a few bytes behind it. Frames: docs/rfc/0016-active.md.
package active

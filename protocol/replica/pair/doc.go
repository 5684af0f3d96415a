// Package pair replicates a service on two servers without views: the primary executes a request and sends
// it to the backup, the backup executes it and answers the client. So an answer takes one message
// more than with one server, and what was answered both have.
//
// # Source
//
// P. A. Alsberg, J. D. Day, A Principle for Resilient Sharing of Distributed Resources, 1976, for two
// servers; "cas particulier de deux serveurs" in Krakowiak's lectures on fault tolerance: detection by the
// client's timeout, a backup that watches the primary and becomes it, the return of who failed as backup,
// with a copy of the state. Epochs, the saved epoch, and what to do about a network that is cut are ours.
//
// # The four places of a crash
//
//   - The primary before it forwards: nobody else knows of the request. The client repeats it to the
//     backup, which takes that for a hint, and soon for a crash, and executes it.
//   - The primary after it has forwarded: the backup answers; the client notices nothing.
//   - The backup before it executes: the primary keeps the replies to all that the backup has not
//     acknowledged. It goes on alone and gives them.
//   - The backup after it has executed, before or after it has answered: the same. If the client is answered twice,
//     both answers are the same. If it repeats its request, the table of sessions answers
//     (protocol/session).
//
// Who fell comes back as a new life and without a state. It is given a snapshot in pieces, as a stream of
// bytes that is taken up again where it was cut off, and behind the snapshot in the same stream what
// was executed since. When it has all but the last few of them, it is told in the stream that it is the
// backup: what comes behind that, it answers.
//
// # When the other is silent
//
// Two members cannot tell a crash from a network that is cut. A member that does not hear the other, or
// that the other does not hear, does what the policy says: the preferred one goes on, or neither, or the one that an
// arbiter outside grants it. A primary with a backup answers nobody, so it does no harm by noticing late;
// and whoever goes on alone does so in an epoch of its own, above all that are known, and takes
// nothing of an older one any more. Who hears of a later epoch gives its state up and says what is lost by
// that ([replica.Lost]). Two answered states can only come of [Machine.Proceed] on both sides, a person's word.
//
// An epoch in which a member goes on alone is saved before it serves (Output.Save). So a member that comes
// back from a crash can say that it did not go on alone since the last epoch of both, and then the one with the
// state goes on, whatever the policy. Without a disk it cannot say so; then the policy decides, and where that
// is no, a person.
//
// # States that differ
//
// An update carries the digest of the primary's state after it, an acknowledgement that of the backup's.
// A backup that finds that they differ does not answer: it names the command, and so does the primary,
// which goes on alone and restores it. If it differs again soon, the service is not deterministic, and
// both stop with the command's name ([Halted]). Who of two is right nobody knows: a primary whose memory is damaged
// makes the backup like it.
//
// # A log
//
// With Config.Logged what a member has executed is in a log when it comes back (the owner's: protocol/stack/duo), and with it in which
// epoch it last was, and whether alone. A member that is back has no role: if the other lives, that one goes on, and what this one
// has is given up for a copy of it. If both are back they compare: who has more of the later epoch begins. That is enough, since the owner gives no
// answer before the log of who gives it has what it stands on, and of two who were a pair both logs have beginnings of the same
// commands. Who was alone by its log need not hear the other to go on: before a member makes the other its backup,
// its log has that it is not alone any more. Who was not waits, for the other may have answered more, or have gone on.
//
// # Time
//
// A command carries the agreed time at which the primary thinks that it is: that of the last command, and
// what has gone by since on its own clock. While nobody serves it stands still.
//
// # Promises
//
//   - What a client was answered is in the state of the other member before, or there is no other.
//   - As long as at any time one member is there that has all that was answered, clients see one server
//     that does not fail: linearizability, once, agreement, retention. With the policies, however the network is cut,
//     and without Proceed.
//   - With logs the same holds if both fall at once.
//   - With an arbiter that can be reached, or if the preferred member lives, the service goes on after the crash of the other
//     within the detection time and a message.
//   - Memory is bounded: limits.go.
//
// # Assumptions
//
// The service is deterministic. Who sent a message, and in which life, is proved by the transport. Both can
// reach a client under the same [replica.Client]. What was saved, or is in the log, is there after a crash.
//
// # Limitations
//
// Without logs a state is in memory only: if both fall at once it is lost, and if an epoch was saved, nobody begins with
// none without a person's word; the service is told when it begins so (session.Founded). With them one who was of a pair, and whose other does not come back, or without its log, goes on at a person's word
// only. Who has given the state in its memory up, and has the longer log, must be
// restarted to have it again. A snapshot is made, and restored, in one step, and is held in memory once more. A
// member that is overruled is given the whole state anew, however little differs. A client that only the
// primary can reach is not answered while there is a backup.
//
// # Cost
//
// A command takes one frame to the backup (more if it is longer than 1300 bytes), some 70 bytes longer than its request; and at
// most one acknowledgement a millisecond. Two statements of 103 bytes a heartbeat. A state of b bytes takes
// b/1344 frames. A command allocates nothing. Frames: docs/rfc/0017-pair.md.
package pair

// Package takeover decides which member of a group holds the group's addresses, and in
// which order things happen: the state is in the kernel before an address moves.
//
// A member says everything about itself in one message, the heartbeat, on every link
// to every other member (docs/rfc/0005-takeover.md). From what it hears and from what
// its service and its state proxy tell it, each member decides for itself. The service
// obeys four commands: [Commit] (all state into the kernel), [Raise], [Lower] and
// [Announce], each in the name of an epoch.
//
// # Source
//
// The setting is that of P. Neira Ayuso's thesis on fault tolerance for stateful network
// software, chapter 2 (stateful replicas behind one address, failing by stopping) and
// chapter 4 (the high-availability manager beside the state proxy). Active, standby
// (there: backup), priority and preemption are those of VRRPv3, RFC 9568. The epochs are
// ballot numbers in the manner of Paxos: each belongs to one member.
//
// # Promises
//
// Always, whatever is lost, delayed, cut, paused or restarted:
//
//   - Raise is asked for only after Committed of the same epoch.
//   - No two members are ever told to raise in the same epoch, as long as their
//     configurations agree.
//   - Within one life, epochs of commands never go down. What is confirmed for another
//     epoch is ignored.
//   - Of two actives that hear each other one stays, and both decide alike: the later
//     epoch, which in one round means the higher priority, then the lower ID. Of two of
//     which only one hears the other, that one yields.
//   - In a handover the giver lowers before the successor raises.
//
// And when trouble ends: exactly one of the members that are alive is active, it is a
// healthy one if there is one, and all others follow it.
//
// How fast, with heartbeat h and SuspectAfter s:
//
//	the active dies                    s after its last heartbeat, then Commit and Raise
//	it stops, or is back in a new life one message, then Commit and Raise
//	an interface of it goes down       one message, Commit; then Lower, one message, Raise
//	planned handover                   the same; the addresses are away for Lower + one message + Raise
//	first start, nobody active         s + 3h of listening
//
// With three or more members add one message to the first line: a member does not take
// over while another says that it still hears the active.
//
// # Assumptions
//
// Members fail by stopping, or are slow. Who sent a heartbeat, and in which life, is
// proved by the transport. Incarnations grow from life to life. The clock that gives
// now does not go back and runs at the same speed everywhere within the few heartbeats
// that s leaves over. The service carries out commands in their order.
//
// # Limitations
//
// Two nodes cut off from each other on all links both become active: neither can know
// that the other lives. Several links over different switches are the remedy; when the
// cut heals, the later epoch stays and the other lowers. Which state of the loser's time
// survives is not decided here.
//
// The detector is unreliable, like every detector: an active that is not run for longer
// than s loses the addresses to a standby and finds out when it runs again; until then
// it still holds them too.
//
// In a fresh life, before it has heard a peer's newest heartbeat, a member can be made to
// believe that the peer lives by whoever plays back what the peer sent when it heard
// nobody. Each such heartbeat works once, so that lasts no longer than the recording.
//
// A service that never confirms Commit keeps its node from becoming active; other
// members overtake it after 5 s, a lone node waits for ever rather than without state.
//
// # Cost
//
// n members with l links between any two send n(n−1)·l heartbeats every h, or up to a
// tenth more because intervals are varied by chance, each of 70 bytes as a frame (58 and
// the frame's header of 12), to which the envelope, UDP and IP add. A pair with two links
// and h = 10 ms sends 400 frames, 28,000 bytes a second in all. A change of role adds one
// such round, at most 8 within one h. Memory is constant: one entry a peer, eight links
// each. A step allocates nothing.
package takeover

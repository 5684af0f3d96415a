package trace

// Kind is what happened.
type Kind uint8

// The kinds. The comment gives the meaning of A, B and C; a kind's package is the
// one that sends it.
const (
	None Kind = iota

	// Bytes from outside were dropped. A: the wire.Reason. B: the channel.
	Dropped

	// The state proxy (protocol/replica/stateproxy).

	PeerJoined   // a peer's life became known. A: its incarnation
	SyncBegan    // a full resync to the peer began. A: generation. B: objects to send
	SyncSent     // the end marker went out. A: generation. B: objects sent
	SyncDone     // the peer confirmed the end marker. A: generation
	SyncReceived // a full resync from the peer is complete. A: generation. B: objects kept. C: objects removed
	Nacked       // a gap was asked for. A: from. B: to
	Resent       // current states went out again. A: objects
	Proven       // the peer holds all that was sent. A: up to. B: objects
	Behind       // the peer does not, any more. A: objects unconfirmed
	Diverged     // the peer's digest differs. A: up to. B: ours. C: theirs
	Overflow     // a bound was reached. A: the bound, a Bound of the machine that tells, see its limits.go. B: its value
	Refused      // an object was not taken. A: key bytes. B: state bytes
	PeerAway     // the peer stopped confirming; nothing is queued for it

	// The takeover (protocol/takeover).

	LinkHeard  // a link to the peer carries heartbeats. A: link
	LinkSilent // a link to the peer went silent. A: link
	PeerSilent // every link to the peer went silent. A: microseconds since the last
	PeerHeard  // the peer is heard again
	Promoting  // this node will take over. A: epoch. B: the reason, see takeover.Reason
	Activated  // this node holds the addresses. A: epoch
	Yielded    // this node gave them up. A: epoch. B: the reason
	Contested  // two nodes were active at once. A: our epoch. B: theirs
	HandedOver // a planned handover was granted. A: epoch
	HealthFell // a tracked interface went down. A: how many are down
	HealthRose // all tracked interfaces are up
	Paused     // this process was not run for a while. A: microseconds
	Identified // a peer that was refused said who it is
	GaveUp     // a planned handover was given up. A: the epoch offered. B: the reason
	Withdrew   // a promotion was taken back before it was done. A: epoch. B: the reason
	// The failure detector (protocol/detect).
	Suspected // a peer is taken for failed. A: level in thousandths. B: microseconds of silence
	Trusted   // it was not. A: microseconds for which it was suspected
	Flapping  // a peer was wrongly suspected again. A: how often of late

	// The group (protocol/group).
	Asked         // this member asks to be let in. A: the epoch it was in before, or 0
	FlushBegan    // a view change began. A: epoch of the old view. B: round
	FlushWaited   // it waits for the peer. A: what for, see group.Stage. B: microseconds
	ViewInstalled // a new view. A: epoch. B: members. C: microseconds since the change began
	Blocked       // not enough votes. A: votes that answer. B: votes needed
	Unblocked     // there are enough again
	Expelled      // this member is out of the group. A: epoch of the view without it
	Departed      // this member left, as it wanted. A: epoch of its last view
	JoinRefused   // the peer was not let in. A: the reason, see group.Refusal

	// The streams of a view (protocol/cast).
	SlowMember // the peer holds this member's stream up. A: packets behind. B: microseconds
	Gap        // packets of the peer's stream are missing. A: from. B: to
	Repeated   // packets were sent again. A: packets

	// The orders (protocol/order).
	SequencerMoved // the peer numbers messages from now on. A: position
	Discarded      // a message came with its view's end and never whole. A: packets

	// State transfer (protocol/transfer).
	StateBegan  // state is fetched from the peer. A: epoch of the cut
	StateDone   // it is complete. A: epoch. B: bytes
	StateFailed // it has to begin anew, at a later cut. A: epoch. B: bytes received

	kindCount
)

// KindCount is the number of kinds, for arrays of counters indexed by Kind.
const KindCount = int(kindCount)

type meaning struct {
	name   string
	fields [3]string
}

var meanings = [KindCount]meaning{
	None:         {name: "none"},
	Dropped:      {"dropped", [3]string{"reason", "channel"}},
	PeerJoined:   {"peer joined", [3]string{"incarnation"}},
	SyncBegan:    {"sync began", [3]string{"generation", "objects"}},
	SyncSent:     {"sync sent", [3]string{"generation", "objects"}},
	SyncDone:     {"sync done", [3]string{"generation"}},
	SyncReceived: {"sync received", [3]string{"generation", "kept", "removed"}},
	Nacked:       {"nacked", [3]string{"from", "to"}},
	Resent:       {"resent", [3]string{"objects"}},
	Proven:       {"proven", [3]string{"upto", "objects"}},
	Behind:       {"behind", [3]string{"objects"}},
	Diverged:     {"diverged", [3]string{"upto", "ours", "theirs"}},
	Overflow:     {"overflow", [3]string{"bound", "value"}},
	Refused:      {"refused", [3]string{"key_bytes", "state_bytes"}},
	PeerAway:     {name: "peer away"},
	LinkHeard:    {"link heard", [3]string{"link"}},
	LinkSilent:   {"link silent", [3]string{"link"}},
	PeerSilent:   {"peer silent", [3]string{"silent_us"}},
	PeerHeard:    {name: "peer heard"},
	Promoting:    {"promoting", [3]string{"epoch", "reason"}},
	Activated:    {"activated", [3]string{"epoch"}},
	Yielded:      {"yielded", [3]string{"epoch", "reason"}},
	Contested:    {"contested", [3]string{"ours", "theirs"}},
	HandedOver:   {"handed over", [3]string{"epoch"}},
	HealthFell:   {"health fell", [3]string{"down"}},
	HealthRose:   {name: "health rose"},
	Paused:       {"paused", [3]string{"paused_us"}},
	Identified:   {name: "identified"},
	GaveUp:       {"gave up", [3]string{"epoch", "reason"}},
	Withdrew:     {"withdrew", [3]string{"epoch", "reason"}},

	Suspected:      {"suspected", [3]string{"level_thousandths", "silent_us"}},
	Trusted:        {"trusted", [3]string{"suspected_us"}},
	Flapping:       {"flapping", [3]string{"times"}},
	Asked:          {"asked", [3]string{"former_epoch"}},
	FlushBegan:     {"flush began", [3]string{"epoch", "round"}},
	FlushWaited:    {"flush waited", [3]string{"stage", "waited_us"}},
	ViewInstalled:  {"view installed", [3]string{"epoch", "members", "change_us"}},
	Blocked:        {"blocked", [3]string{"votes", "needed"}},
	Unblocked:      {name: "unblocked"},
	Expelled:       {"expelled", [3]string{"epoch"}},
	Departed:       {"departed", [3]string{"epoch"}},
	JoinRefused:    {"join refused", [3]string{"reason"}},
	SlowMember:     {"slow member", [3]string{"packets", "lag_us"}},
	Gap:            {"gap", [3]string{"from", "to"}},
	Repeated:       {"repeated", [3]string{"packets"}},
	SequencerMoved: {"sequencer moved", [3]string{"position"}},
	Discarded:      {"discarded", [3]string{"packets"}},
	StateBegan:     {"state began", [3]string{"epoch"}},
	StateDone:      {"state done", [3]string{"epoch", "bytes"}},
	StateFailed:    {"state failed", [3]string{"epoch", "bytes"}},
}

// String gives the kind in words.
func (k Kind) String() string {
	if int(k) < len(meanings) {
		return meanings[k].name
	}
	return "unknown kind"
}

// Fields gives the names of A, B and C; "" where one means nothing.
func (k Kind) Fields() [3]string {
	if int(k) < len(meanings) {
		return meanings[k].fields
	}
	return [3]string{}
}

package wire

// Reason says why bytes from outside were dropped. Bytes from outside never become
// an error inside a machine: they are dropped, counted and traced with a Reason.
type Reason uint8

// The reasons, roughly in the order in which a datagram meets the checks.
const (
	OK               Reason = iota
	Short                   // shorter than its header
	Long                    // longer than the largest frame
	WrongVersion            // a version this code does not read
	UnknownKey              // sealed with a key that is not in the key ring
	ForgedSeal              // the seal does not open: wrong key, or changed on the way
	Unsealed                // clear text where the cluster is sealed, or the reverse
	Replayed                // seen before, and not as a copy on another link
	Duplicate               // the same datagram over another link; expected
	UnknownSender           // from a member the configuration does not name
	OldIncarnation          // from a former life of a member
	BadChecksum             // damaged
	UnknownFeature          // needs a feature this code does not know
	ForeignCluster          // another cluster's name, or another configuration
	UnknownChannel          // for a machine that is not there
	Malformed               // the message ends early, goes on too long, or breaks a limit
	WrongDestination        // meant for another life of this member
	Stale                   // overtaken by what was received before
	ForeignGroup            // for a group that this member is not in
	OtherView               // of another view than the present one
	Twin                    // a second process under the name of one that lives
	reasonCount
)

// ReasonCount is the number of reasons, for arrays of counters indexed by Reason.
const ReasonCount = int(reasonCount)

var reasonNames = [ReasonCount]string{
	"ok", "short", "long", "wrong version", "unknown key", "forged seal", "unsealed",
	"replayed", "duplicate", "unknown sender", "old incarnation", "bad checksum",
	"unknown feature", "foreign cluster", "unknown channel", "malformed",
	"wrong destination", "stale", "foreign group", "other view", "twin",
}

// String gives the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown reason"
}

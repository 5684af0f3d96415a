package pair

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug           Bug = iota
	AnswersEarly        // the primary answers before the backup has executed
	BothGoOn            // silence is taken for a crash, whatever the policy says
	KeepsOld            // a member that was overruled goes on
	BelievesDigests     // digests that differ are not noticed
	DropsHeld           // requests that came while the state was copied are not executed by the backup
	PairsUnsaved        // a backup is made before it is logged that there is one
	TrustsShorter       // of two logs the shorter one counts
)

package call

// Bug is a mistake that a build with the tag "canary" can be told to make, so that tests and judges
// are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug      Bug = iota
	Renumber       // a repeated call has a new number
	Believing      // a call that was refused is said not to be executed
	AnyReply       // replies to a former session, or life, count
	LateLease      // a lease counts from the reply
	Boastful       // what is on its way is acknowledged
	Hasty          // a cancelled call is said not to be executed before the service says so
	Credulous      // a server's refusal is taken for the answer
	Resigned       // a call without an answer is not sent again
	RepeatsAll     // calls that may be executed once are repeated without being remembered
	HedgesAll      // calls that were not declared idempotent are hedged
)

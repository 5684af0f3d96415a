package group

const (
	// termsMax is the longest text of terms: it goes into one frame with the rest of an
	// asking. Those of a group have 160 at most, and its service may add to them.
	termsMax = 256

	// retriesPerPatience is how often a stage's frame is repeated to those who have not
	// answered, in the time after which the stage is given up.
	retriesPerPatience = 8

	// shunAfter is how many patiences a view change waits for a member that lives and does
	// not deliver what the stage needs (a link of its own is broken, say). Then the change
	// goes on without it: a flush is bounded.
	shunAfter = 6

	// shunFor is for how many patiences such a member is not waited for again.
	shunFor = 20

	// followPatiences is after how many patiences, and two more for each place in the
	// order of seniority, a member that does not lead begins a stuck change anew: later
	// than the leader gives up on a member.
	followPatiences = 8

	// healShare is the part of a patience for which a change that had not enough votes and
	// has them now waits for more members: half of one is at least a heartbeat.
	healShare = 2

	// foundPulses is for how many pulses a process listens for a group that exists before
	// it founds one.
	foundPulses = 4

	// forgetPulses is after how many pulses without a word the last pulse of a candidate
	// counts no longer.
	forgetPulses = 5

	// overPatiences is for how many patiences a durable group's view that wants for votes is kept,
	// although it could be founded anew.
	overPatiences = 2

	// accusePatiences is for how many patiences a member's suspicion of another, which the
	// coordinator does not share, must last before one of the two has to go.
	accusePatiences = 2
)

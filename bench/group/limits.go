package group

import "time"

const (
	// Members of every group.
	Members = 3

	// buildMost bounds a compiler: NATS takes half a minute on two cores the first time.
	buildMost = 5 * time.Minute

	// formMost is how long three members may take to be one group. JGroups waits two
	// seconds for others before it founds one, NATS elects twice.
	formMost = 30 * time.Second

	// answerMost bounds an answer that a member has at hand. Its machine may be busy with
	// daemons of real-time priority.
	answerMost = 10 * time.Second

	// warmTime passes between the order to send and the window that counts.
	warmTime = 300 * time.Millisecond

	// tailTime is how long is sent beyond the window, so that it ends under load.
	tailTime = 100 * time.Millisecond

	// sentMost is how much later than ordered a sender may end: its last message may wait
	// until all before it are through.
	sentMost = 15 * time.Second

	// drainMost is how long members may take, after the senders have ended, to deliver the
	// rest; what is missing then is called late. calmTime without a change is the end.
	drainMost  = 8 * time.Second
	drainEvery = 50 * time.Millisecond
	calmTime   = 200 * time.Millisecond

	// viewMost is how long survivors may take to have a new view. Corosync's default for
	// three nodes takes eight seconds.
	viewMost = 30 * time.Second
)

package locks

import "time"

const (
	// buildMost bounds a compiler: what etcd's client needs takes a minute on two cores the
	// first time.
	buildMost = 5 * time.Minute

	// formMost is how long three members may take to serve. etcd elects first, and again if
	// two want to lead; a service of locks in memory hears former owners for ten seconds.
	formMost = time.Minute

	// formEvery is how long a client may try before the next is started, while members form:
	// longer than that, for who is stopped in the queue keeps its place until its lease ends.
	formEvery = 15 * time.Second

	// slackMost is how much longer than ordered a client may take: to open its sessions, to
	// wait for what is on its way, to close.
	slackMost = 20 * time.Second
)

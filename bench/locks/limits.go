package locks

import "time"

const (
	// buildMost bounds a compiler: what etcd's client needs takes a minute on two cores the
	// first time.
	buildMost = 5 * time.Minute

	// formMost is how long three members may take to serve. etcd elects first, and again if
	// two want to lead.
	formMost = 30 * time.Second

	// formEvery is how long a client may try before the next is started, while members form.
	formEvery = 3 * time.Second

	// slackMost is how much longer than ordered a client may take: to open its sessions, to
	// wait for what is on its way, to close.
	slackMost = 20 * time.Second
)

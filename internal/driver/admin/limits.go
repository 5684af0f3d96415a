package admin

import "time"

// The bounds. Reaching one is answered with an error that names it.
const (
	// bodyMax bounds a request: the largest is a node's name.
	bodyMax = 4 << 10

	// watchersMax bounds the watchers: each asks the process ten times a second.
	watchersMax = 8

	// connectionsMax bounds the connections of a socket that many users may open.
	connectionsMax = 64

	// headerMax bounds a request's header.
	headerMax = 8 << 10
)

// The waits.
const (
	// watchEvery is the least time between two answers to one watcher.
	watchEvery = 100 * time.Millisecond
	// keepAliveEvery is the longest silence of a watch.
	keepAliveEvery = 5 * time.Second
	// changeWait is how long a change may take.
	changeWait = 30 * time.Second
	// requestWait is how long a client may take to send its request.
	requestWait = 5 * time.Second
	// dialWait is how long another process may take to accept.
	dialWait = 2 * time.Second
)

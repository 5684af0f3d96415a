package lock

import (
	"context"
	"errors"
	"slices"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// doubt is an Enter that was given up, and of which nobody knows whether the service will execute it: a member may have a copy in its
// queue, and what was asked after it, to be in no queue, may be executed before. Then the lock would be this client's, and nobody
// would know.
type doubt struct {
	session uint64 // that asked; when it has ended nothing of it is executed
	rounds  int    // in which it was looked at
}

// suspect notes that a lock may yet be entered, if an error of Enter says that nobody knows.
func (k *Client) suspect(name string, session uint64, err error) {
	var e *client.Error
	if !errors.As(err, &e) || e.Outcome != client.Unknown || e.Cause == call.SessionEnded {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.doubts[name] = doubt{session: session}
}

// clear looks at the locks of which there is doubt, and leaves those that this client has come to be in. What somebody wants
// or has is left alone: for the service both are one.
func (k *Client) clear(ctx context.Context, session uint64) {
	for _, name := range k.doubted(session) {
		p, err := k.ask(ctx, client.AtLeastOnce, lock.Request{Kind: lock.Ask, Name: name})
		if err == nil && (p.Status == lock.Granted || p.Status == lock.Queued) {
			k.settle(name, session)
			continue
		}
		k.open(name)
	}
}

// doubted gives the locks to be looked at, behind whose doors nobody is, and closes these.
func (k *Client) doubted(session uint64) (names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, d := range k.doubts { //tidy:unordered they are sorted
		if d.session != k.session || d.rounds >= doubtRounds {
			delete(k.doubts, name)
			continue
		}
		d.rounds++
		if k.doubts[name] = d; d.session == session && k.doors[name] == nil {
			k.doors[name] = &door{wake: make(chan struct{}, 1)}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

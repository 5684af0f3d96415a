package client

import (
	"strings"

	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// Class is a set of the five classes in which a remote call fails (B. J. Nelson, 1981): those
// that a failure may have been, as far as the client can know. Silence looks the same from
// here whether the request was lost, the server has crashed, or the reply was lost.
type Class uint8

// The classes.
const (
	ServerNotFound Class = 1 << iota // no server that serves could be reached
	RequestLost                      // on its way
	ServerCrashed                    // after it had received the request, before or after executing it
	ReplyLost                        // on its way: the call was executed
	ClientCrashed                    // so it seems to the service, which has heard nothing for too long
)

var classNames = [...]string{
	"no server was found", "the request was lost", "the server crashed", "the reply was lost", "the client crashed, as the service sees it",
}

// silence are the classes that cannot be told apart.
const silence = RequestLost | ServerCrashed | ReplyLost

// String gives the classes in words, the first first.
func (c Class) String() string {
	var names []string
	for i, name := range classNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "no failure of communication"
	}
	return strings.Join(names, ", or ")
}

// classOf says which classes of failure a result may be of.
func classOf(why call.Cause, put session.Status) Class {
	switch why {
	case call.CannotLocate:
		return ServerNotFound
	case call.NoAnswer, call.Stopped:
		if put != 0 {
			return ServerNotFound | silence // none that was heard serves; of a copy nothing may have been heard
		}
		return silence
	case call.ServerLost:
		return RequestLost | ServerCrashed
	case call.SessionEnded:
		if put == session.StaleSession {
			return ClientCrashed
		}
		return ServerNotFound | silence
	}
	return 0
}

package session

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Words tells for people what a request asks, of which the beginning is enough: `call 3 of session 1: "third c"`.
func Words(request []byte) string {
	r, why := ParseRequest(request)
	switch {
	case len(request) == 0:
		return "not known any more"
	case why != wire.OK:
		return fmt.Sprintf("no request: %q", request)
	case r.Session == 0 && r.Verb == Call:
		return fmt.Sprintf("call without a session: %q", r.Body)
	case r.Verb == Call:
		return fmt.Sprintf("call %d of session %d: %q", r.Number, r.Session, r.Body)
	case r.Verb == Cancel:
		return fmt.Sprintf("cancelling of call %d of session %d", r.Number, r.Session)
	case r.Verb == Open:
		return fmt.Sprintf("opening of a session by %q", r.Label)
	case r.Verb == Renew:
		return fmt.Sprintf("renewal of session %d", r.Session)
	case r.Verb == Close:
		return fmt.Sprintf("closing of session %d", r.Session)
	}
	return "letting time pass"
}

package world

import "github.com/holdfast-ha/holdfast/protocol/wire"

// Trap is for a host that is to crash at one of the next frames that it sends. The zero value is for nobody.
type Trap struct {
	Host *Host
	Left int // the frames until then, with it
}

// Sprung says whether it is sprung by a frame that a host sends. Those of detectors do not count.
func (t *Trap) Sprung(h *Host, e *wire.Envelope) bool {
	if t.Host != h || wire.Channel(e.Frame[1]) == wire.Detect {
		return false
	}
	if t.Left--; t.Left > 0 {
		return false
	}
	*t = Trap{}
	return true
}

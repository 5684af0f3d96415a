package driver

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/protocol/identity"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Refusal is what was refused of what came from outside, without getting to a machine.
type Refusal = census.Refusal

// introductions lets members that refuse one another know why.
type introductions struct {
	identity    *identity.Machine
	fingerprint uint32
	box         wire.Outbox
	last        view.ID // heard last, at
	at          time.Time
}

func (i *introductions) open(c *CohortConfig) error {
	names := identity.Config{Self: c.Node.Self.ID, Cluster: c.Cluster, Fingerprint: c.Node.Fingerprint}
	for _, m := range c.Node.Candidates {
		names.Members = append(names.Members, identity.Name{ID: m.ID, Name: m.Name})
	}
	i.fingerprint = c.Node.Fingerprint
	var err error
	i.identity, err = identity.New(names)
	return err
}

// receive looks at a frame, and says whether it is for nobody else.
func (i *introductions) receive(t time.Time, from view.Member, frame []byte) bool {
	if len(frame) < wire.HeaderSize {
		return false
	}
	if wire.Channel(frame[1]) == wire.Identify {
		if h, payload, reason := wire.Open(frame); reason == wire.OK {
			i.identity.Receive(from.ID, h, payload)
		}
		return true
	}
	if (from.ID != i.last || t != i.at) && binary.BigEndian.Uint32(frame[4:8]) == i.fingerprint {
		i.last, i.at = from.ID, t
		i.identity.Heard(t, from.ID)
	}
	return false
}

// introduce says who we are to those that do not hear us, when it is time.
func (i *introductions) introduce(t time.Time, transport Transport) {
	if t.Before(i.identity.Deadline()) {
		return
	}
	i.identity.Tick(t, &i.box)
	for _, e := range i.box.Send {
		_ = transport.Send(e) // what cannot be sent is said again
	}
	transport.Flush()
	i.box.Reset()
}

package stateproxy

import (
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Verb is what happened to a peer's object.
type Verb uint8

// The verbs.
const (
	Put      Verb = 1 + iota // an object is new, or may have changed in every part
	Change                   // an object that was Put before has changed in what changes often
	Delete                   // an object is gone
	Complete                 // a full resync has ended: the external cache is the peer's
)

// Delivery is one change of the external cache of From. Key and State are valid until
// the next [Output.Reset].
type Delivery struct {
	From  view.ID
	Verb  Verb
	Key   []byte
	State []byte // Put and Change
}

// Output is what a step asks of its driver. Deliveries come exactly in this order.
type Output struct {
	wire.Outbox
	Deliver []Delivery
	bytes   []byte
}

// Reset empties the output and takes its memory back.
func (o *Output) Reset() {
	o.Outbox.Reset()
	o.Deliver, o.bytes = o.Deliver[:0], o.bytes[:0]
}

// deliver appends a delivery with copies of key and state: the cache may use their
// place again within the same step.
func (o *Output) deliver(from view.ID, v Verb, key, state []byte) {
	n := len(o.bytes)
	o.bytes = append(append(o.bytes, key...), state...)
	b := o.bytes[n:]
	o.Deliver = append(o.Deliver, Delivery{
		From: from, Verb: v, Key: b[:len(key):len(key)], State: b[len(key):],
	})
}

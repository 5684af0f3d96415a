package locks_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// observed is a service, and what it does on record. The state has the sums of all that it has executed: what a power
// cut has undone is in the records, and not in the state at the end.
type observed struct {
	session.Service
	of  string
	h   *history
	era uint64

	mu      sync.Mutex
	sums    []uint64
	pending []notice
}

// bodyMost is how much of a command is recorded, bytes: the rest is padding.
const bodyMost = 512

// Apply executes a command and records it.
func (o *observed) Apply(c session.Command, reply []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := len(reply)
	reply = o.Service.Apply(c, reply)
	o.note(record{Kind: "executed", Session: uint64(c.Session), Body: c.Body[:min(len(c.Body), bodyMost)], Reply: reply[from:]})
	return reply
}

// Founded tells the service that it begins.
func (o *observed) Founded(epoch view.Epoch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.era = uint64(epoch)
	if f, is := o.Service.(session.Founded); is {
		f.Founded(epoch)
	}
}

// LeaseMost is that of the service.
func (o *observed) LeaseMost() time.Duration {
	if l, is := o.Service.(session.Leaser); is {
		return l.LeaseMost()
	}
	return 0
}

// Ended ends a session and records it.
func (o *observed) Ended(at time.Duration, s session.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Service.Ended(at, s)
	o.note(record{Kind: "ended", Session: uint64(s)})
}

func (o *observed) note(r record) {
	o.sums = append(o.sums, r.sum())
	r.At, r.Of, r.Era, r.Index = now(), o.of, o.era, uint64(len(o.sums))
	if n, is := o.Service.(session.Notifier); is {
		n.Notify(func(to session.ID, body []byte) {
			r.Notices = append(r.Notices, notice{uint64(to), bytes.Clone(body)})
		})
	}
	o.pending = append(o.pending, r.Notices...)
	o.h.add(r)
}

// sum tells what was executed from what else could have been.
func (r *record) sum() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %d %d ", r.Kind, r.Session, len(r.Body), len(r.Reply))
	_, _ = h.Write(r.Body)
	_, _ = h.Write(r.Reply)
	return h.Sum64()
}

// final records what is in the state.
func (o *observed) final() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.h.add(record{At: now(), Kind: "final", Of: o.of, Sums: o.sums})
}

// Notify passes on what was recorded.
func (o *observed) Notify(tell func(session.ID, []byte)) {
	for _, n := range o.pending {
		tell(session.ID(n.Session), n.Body)
	}
	o.pending = o.pending[:0]
}

// Snapshot writes the sums, and the state.
func (o *observed) Snapshot(w io.Writer) error {
	for _, part := range []any{o.era, uint64(len(o.sums)), o.sums} {
		if err := binary.Write(w, binary.BigEndian, part); err != nil {
			return err
		}
	}
	return o.Service.Snapshot(w)
}

// Restore reads both.
func (o *observed) Restore(r io.Reader) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var count uint64
	for _, part := range []*uint64{&o.era, &count} {
		if err := binary.Read(r, binary.BigEndian, part); err != nil {
			return err
		}
	}
	o.sums = nil
	for part := []uint64(nil); uint64(len(o.sums)) < count; o.sums = append(o.sums, part...) {
		part = make([]uint64, min(count-uint64(len(o.sums)), 4096))
		if err := binary.Read(r, binary.BigEndian, part); err != nil {
			return err
		}
	}
	return o.Service.Restore(r)
}

// lastOrder gives what is in the state of the members at the end, each thing at the time of who was first to execute it. An error says
// that they differ.
func lastOrder(lives [][]record, of string) ([]record, error) {
	type thing struct{ index, sum uint64 }
	first := map[thing]*record{}
	var final []uint64
	for _, life := range lives {
		for i := range life {
			r := &life[i]
			if r.Of != of {
				continue
			}
			if r.Kind == "final" {
				short, long := final, r.Sums
				if len(short) > len(long) {
					short, long = long, short
				}
				for at, s := range short {
					if long[at] != s {
						return nil, fmt.Errorf("at the end members differ in command %d of %q", at+1, of)
					}
				}
				final = long
			} else if r.Index != 0 {
				t := thing{r.Index, r.sum()}
				if was := first[t]; was == nil || r.At < was.At {
					first[t] = r
				}
			}
		}
	}
	order := make([]record, len(final))
	for i := len(final) - 1; i >= 0; i-- {
		r := first[thing{uint64(i + 1), final[i]}]
		if r == nil {
			return nil, fmt.Errorf("nobody has recorded command %d of %d of %q", i+1, len(final), of)
		}
		if order[i] = *r; i+1 < len(order) {
			order[i].At = min(r.At, order[i+1].At) // who was first may have been killed before it could say so
		}
	}
	return order, nil
}

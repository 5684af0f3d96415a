package session

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"
)

// ledger is a service that counts how often each body was executed, in the order of everything. A
// body that begins with 't' asks to be told in so many milliseconds as its second byte says; one that begins
// with 'L' has a long answer.
type ledger struct {
	counts map[string]uint64
	alarms []time.Duration // sorted
	events uint64          // digest of all that happened, in its order
	log    []string        // the same in words, not part of the state
}

func newLedger() *ledger { return &ledger{counts: map[string]uint64{}} }

func (l *ledger) Apply(c Command, reply []byte) []byte {
	l.counts[string(c.Body)]++
	l.events = mix(l.events, 1, uint64(c.At), uint64(c.Session), sum(c.Body))
	if len(c.Body) > 1 && c.Body[0] == 't' {
		l.alarms = append(l.alarms, c.At+time.Duration(c.Body[1])*time.Millisecond)
		slices.Sort(l.alarms)
	}
	reply = binary.BigEndian.AppendUint64(reply, l.counts[string(c.Body)])
	if len(c.Body) > 0 && c.Body[0] == 'L' {
		reply = append(reply, make([]byte, BodyMax)...)
	}
	return reply
}

func (l *ledger) Ended(at time.Duration, s ID) {
	l.events = mix(l.events, 2, uint64(at), uint64(s))
	l.log = append(l.log, fmt.Sprintf("ended %d at %v", s, at))
}

func (l *ledger) Passed(at time.Duration) {
	l.events = mix(l.events, 3, uint64(at))
	l.log = append(l.log, fmt.Sprintf("passed %v", at))
	for len(l.alarms) > 0 && l.alarms[0] <= at {
		l.alarms = l.alarms[1:]
	}
}

func (l *ledger) Next() time.Duration {
	if len(l.alarms) == 0 {
		return 0
	}
	return l.alarms[0]
}

func (l *ledger) Digest() uint64 { return l.events }

func (l *ledger) Snapshot(w io.Writer) error {
	b := binary.BigEndian.AppendUint64(nil, l.events)
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.alarms)))
	for _, a := range l.alarms {
		b = binary.BigEndian.AppendUint64(b, uint64(a))
	}
	bodies := make([]string, 0, len(l.counts))
	for body := range l.counts {
		bodies = append(bodies, body)
	}
	slices.Sort(bodies)
	for _, body := range bodies {
		b = append(b, byte(len(body)))
		b = append(b, body...)
		b = binary.BigEndian.AppendUint64(b, l.counts[body])
	}
	_, err := w.Write(b)
	return err
}

func (l *ledger) Restore(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, 16<<20))
	if err != nil {
		return err
	}
	*l = ledger{counts: map[string]uint64{}, log: l.log}
	short := io.ErrUnexpectedEOF
	if len(b) < 12 {
		return short
	}
	l.events = binary.BigEndian.Uint64(b)
	n := int(binary.BigEndian.Uint32(b[8:]))
	if b = b[12:]; len(b)/8 < n {
		return short
	}
	for ; n > 0; n-- {
		l.alarms = append(l.alarms, time.Duration(binary.BigEndian.Uint64(b)))
		b = b[8:]
	}
	for len(b) > 0 {
		size := int(b[0])
		if len(b) < 9+size {
			return short
		}
		l.counts[string(b[1:1+size])] = binary.BigEndian.Uint64(b[1+size:])
		b = b[9+size:]
	}
	return nil
}

// do executes a request.
func do(e *Executor, r Request) Reply {
	out, why := ParseReply(e.Execute(r.Append(nil), nil))
	if why != 0 {
		panic(fmt.Sprintf("the executor's reply: %v", why))
	}
	return out
}

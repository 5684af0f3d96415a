package cohort

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast"
)

// wrongNumber marks the number of a message that is not the one that its sender gave it,
// so that a judge finds it.
const wrongNumber = 1 << 63

// messageOf makes a message.
func messageOf(number, base uint64, size int, chance *rand.Rand) []byte {
	b := make([]byte, 0, size+7)
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint64(b, base)
	for len(b) < size {
		b = binary.LittleEndian.AppendUint64(b, chance.Uint64())
	}
	return b[:size]
}

// numberOf gives the number of a message in its sender's life. What the event says is
// the number in the time that the sender has been in the group.
func numberOf(payload []byte, told uint64) uint64 {
	if len(payload) < headSize {
		return told | wrongNumber
	}
	number, base := binary.BigEndian.Uint64(payload), binary.BigEndian.Uint64(payload[8:])
	if number-base != told {
		return told | wrongNumber
	}
	return number
}

// listen asks for events until the process has left the group.
func (p *program) listen(g *holdfast.Group) {
	for {
		p.hearing.pass()
		e, err := g.Next(context.Background())
		if err != nil {
			p.log.write(Record{Kind: Failed, Text: err.Error()})
			return
		}
		p.hear(&e)
		if e.Kind == holdfast.Departed {
			return
		}
	}
}

// hear takes one event.
func (p *program) hear(e *holdfast.Event) {
	r := Record{Members: e.Members, From: e.From, Number: e.Number, Last: e.Last, Text: e.Reason}
	switch e.Kind {
	case holdfast.Message:
		p.message(e)
		return
	case holdfast.Viewed:
		p.viewed(e.View)
		return
	case holdfast.Lost:
		p.mu.Lock()
		base := p.base
		p.mu.Unlock()
		r.Kind, r.Number, r.Last = Gone, r.Number+base, r.Last+base
	default:
		var told bool
		if r.Kind, told = kinds()[e.Kind]; !told {
			r.Kind, r.Text = Broken, fmt.Sprintf("an event of kind %v", e.Kind)
		}
	}
	p.log.write(r)
}

// kinds gives our names for events that need no more words.
func kinds() map[holdfast.Kind]Kind {
	return map[holdfast.Kind]Kind{
		holdfast.Blocked: Blocked, holdfast.Unblocked: Unblocked, holdfast.Expelled: Expelled, holdfast.Merging: Merging,
		holdfast.Refused: Refused, holdfast.Slow: Slow, holdfast.Departed: Departed,
	}
}

func (p *program) message(e *holdfast.Event) {
	r := Record{
		Kind: Delivered, From: e.From, Incarnation: p.lives[e.From], Number: numberOf(e.Payload, e.Number),
		Order: uint8(e.Order), Sum: Sum(e.Payload), Size: len(e.Payload),
	}
	p.log.write(r)
	p.state = append(p.state, Entry{p.ids[e.From], r.Incarnation, r.Number, r.Sum})
}

func (p *program) viewed(v *holdfast.View) {
	if p.void {
		// Nobody was left who had the state.
		p.void = false
		p.log.write(Record{Kind: Restored})
	}
	p.lives = map[string]uint64{}
	for i, name := range v.Members {
		p.lives[name] = v.Incarnations[i]
	}
	p.log.write(Record{
		Kind: Viewed, Number: v.Epoch, View: v.Name, Members: v.Members, Incarnations: v.Incarnations, Former: v.Former,
	})
}

// snapshot writes the state.
func (p *program) snapshot(w io.Writer) error {
	p.log.write(Record{Kind: Given, Size: len(p.state)})
	return writeEntries(w, p.state, p.set.Ballast)
}

// restore reads the state of another member.
func (p *program) restore(r io.Reader) error {
	p.log.write(Record{Kind: Emptied})
	p.state, p.void = nil, true
	var all bytes.Buffer
	for {
		if p.set.Dawdle > 0 {
			<-time.After(p.set.Dawdle)
		}
		n, err := io.CopyN(&all, r, restoreSize)
		if err == io.EOF {
			break
		}
		if err != nil {
			p.log.write(Record{Kind: Failed, Size: all.Len(), Text: err.Error()})
			return fmt.Errorf("after %d bytes: %w", n, err)
		}
	}
	b := all.Bytes()
	ballast := uint64(0)
	if len(b) >= 8 {
		ballast = binary.BigEndian.Uint64(b)
		b = b[8:]
	}
	if ballast > uint64(len(b)) {
		return fmt.Errorf("a state of %d bytes says that %d are ballast", len(b), ballast)
	}
	p.state, p.void = Entries(b[ballast:]), false
	p.log.write(Record{Kind: Restored, State: b[ballast:]})
	return nil
}

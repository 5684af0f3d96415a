package locks_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	judges "github.com/holdfast-ha/holdfast/check/service"
	calls "github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// cells is a service beside the locks: numbers under numbers, all 0 at first.
type cells struct {
	all    map[uint32]uint64
	digest uint64
}

func newCells() *cells { return &cells{all: map[uint32]uint64{}} }

// question is what a caller asks of the cells: 25 bytes, and padding.
type question struct {
	client uint32
	call   uint64
	op     judges.Op
	key    uint32
	value  uint64
}

const questionSize = 25

func (q question) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, q.client)
	b = binary.BigEndian.AppendUint64(b, q.call)
	b = append(b, byte(q.op))
	b = binary.BigEndian.AppendUint32(b, q.key)
	return binary.BigEndian.AppendUint64(b, q.value)
}

func parseQuestion(b []byte) (question, bool) {
	if len(b) < questionSize {
		return question{}, false
	}
	return question{
		binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:]), judges.Op(b[12]), binary.BigEndian.Uint32(b[13:]), binary.BigEndian.Uint64(b[17:]),
	}, true
}

// Apply answers what there was.
func (s *cells) Apply(c session.Command, reply []byte) []byte {
	q, is := parseQuestion(c.Body)
	if !is {
		return reply
	}
	had := s.all[q.key]
	switch q.op {
	case judges.Swap:
		s.set(q.key, q.value)
	case judges.Add:
		s.set(q.key, had+q.value)
	}
	return binary.BigEndian.AppendUint64(reply, had)
}

func (s *cells) set(key uint32, value uint64) {
	s.digest ^= term(key, s.all[key]) ^ term(key, value)
	s.all[key] = value
}

func term(key uint32, value uint64) uint64 {
	return bits.RotateLeft64(value*0x9e3779b97f4a7c15, int(key%64)) * 0xff51afd7ed558ccd
}

func (s *cells) Ended(time.Duration, session.ID) {}
func (s *cells) Passed(time.Duration)            {}
func (s *cells) Next() time.Duration             { return 0 }
func (s *cells) Digest() uint64                  { return s.digest }

// Snapshot writes the cells in the order of their keys.
func (s *cells) Snapshot(w io.Writer) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(s.all)))
	for _, key := range slices.Sorted(maps.Keys(s.all)) {
		b = binary.BigEndian.AppendUint32(b, key)
		b = binary.BigEndian.AppendUint64(b, s.all[key])
	}
	_, err := w.Write(b)
	return err
}

// Restore reads them.
func (s *cells) Restore(r io.Reader) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	s.all, s.digest = map[uint32]uint64{}, 0
	for range binary.BigEndian.Uint32(head[:]) {
		var b [12]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return err
		}
		s.set(binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint64(b[4:]))
	}
	return nil
}

// A cell is used for cellAge, and there are cellsAtOnce at a time: so many calls on one can be judged.
const (
	cellAge     = 2 * time.Second
	cellsAtOnce = 8
)

// call calls the cells until its input ends.
func call(s *settings) error {
	h, err := openHistory(s.History)
	if err != nil {
		return err
	}
	k, err := calls.Dial(calls.Config{Servers: s.Sockets, Lease: s.Lease, Label: fmt.Sprint(s.Client)})
	if err != nil {
		return err
	}
	chance := rand.New(rand.NewPCG(s.Seed, uint64(s.Client)))
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	body := bytes.Repeat([]byte{0xff}, questionSize+s.Padding)
	for number := uint64(1); ctx.Err() == nil; number++ {
		q := question{uint32(s.Client), number, judges.Op(1 + chance.IntN(3)), uint32(now()/cellAge)*cellsAtOnce + uint32(chance.IntN(cellsAtOnce)), chance.Uint64()}
		q.append(body[:0])
		h.add(record{At: now(), Kind: "called", Call: number, Op: uint8(q.op), Key: q.key, Value: q.value})
		within, cancel := context.WithTimeout(context.Background(), time.Duration(200+chance.IntN(20_000))*time.Millisecond)
		reply, err := k.Call(within, calls.ExactlyOnce, body)
		cancel()
		r := record{At: now(), Kind: "answered", Call: number}
		var no *calls.Error
		switch {
		case err == nil && len(reply) == 8:
			r.Value = binary.BigEndian.Uint64(reply)
		case err == nil:
			return fmt.Errorf("call %d is answered %x", number, reply)
		case errors.As(err, &no) && no.Outcome == calls.NotExecuted:
			r.Kind = "unexecuted"
		default:
			r.Kind = "unknown"
		}
		h.add(r)
	}
	last, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := k.Close(last); err != nil {
		return err
	}
	h.add(record{At: now(), Kind: "gone"})
	return nil
}

// judgeCells has the judges hear what callers were answered, and what is in the state at the end.
func (w *world) judgeCells(lives [][]record, calm time.Duration) (*check.Violation, string, error) {
	order, err := lastOrder(lives, "cells")
	if err != nil {
		return &check.Violation{Promise: "agreement", Text: err.Error()}, "", nil
	}
	by := view.Member{ID: 1, Incarnation: 1}
	var facts []judges.Fact
	for i := range order {
		r := &order[i]
		f := judges.Fact{At: r.At, Kind: judges.Skipped, Node: by, Index: r.Index, Sum: r.sum()}
		if q, is := parseQuestion(r.Body); is && r.Kind == "executed" {
			f.Kind, f.Session, f.Number, f.Value = judges.Executed, uint64(q.client), q.call, binary.BigEndian.Uint64(r.Reply)
		}
		facts = append(facts, f)
	}
	var waits []time.Duration
	for _, p := range w.all {
		if p.what != "caller" {
			continue
		}
		records, err := readHistory(p.settings.History)
		if err != nil {
			return nil, "", err
		}
		told := w.told(p, records)
		for i := range told {
			if told[i].Kind == judges.Answered {
				waits = append(waits, told[i].At-told[i-1].At)
			}
		}
		facts = append(facts, told...)
	}
	facts = append(facts, judges.Fact{At: calm, Kind: judges.Calmed}, judges.Fact{At: now(), Kind: judges.Ended})
	slices.SortStableFunc(facts, func(a, b judges.Fact) int { return cmp.Compare(a.At, b.At) })
	court := judges.NewCourt(judges.All(judges.Setting{})...)
	counts := map[judges.Kind]int{}
	for i := range facts {
		counts[facts[i].Kind]++
		court.Hear(&facts[i])
	}
	w.cellFacts, w.waits = facts, waits
	w.sums.calls += counts[judges.Called]
	w.sums.answered += counts[judges.Answered]
	w.sums.unknown += counts[judges.Unknown] + counts[judges.Crashed]
	slices.Sort(waits)
	text := fmt.Sprintf("%d calls, %d answered, %d executed", counts[judges.Called], counts[judges.Answered], counts[judges.Executed])
	if len(waits) > 0 {
		text += fmt.Sprintf("; an answer takes %v (median), %v (longest)", waits[len(waits)/2].Round(10*time.Microsecond), waits[len(waits)-1].Round(time.Millisecond))
	}
	return court.Violation(), text, nil
}

// told gives the facts of a caller.
func (w *world) told(p *process, records []record) []judges.Fact {
	var facts []judges.Fact
	for i := range records {
		r := &records[i]
		f := judges.Fact{At: r.At, Client: p.settings.Client, Call: r.Call, Value: r.Value}
		switch r.Kind {
		case "called":
			f.Kind, f.Op, f.Key, f.Session, f.Number = judges.Called, judges.Op(r.Op), r.Key, uint64(p.settings.Client), r.Call
		case "answered":
			f.Kind = judges.Answered
		case "unexecuted":
			f.Kind = judges.Unexecuted
		case "unknown":
			f.Kind = judges.Unknown
		default:
			continue
		}
		facts = append(facts, f)
	}
	if p.killed != 0 {
		facts = append(facts, judges.Fact{At: p.killed, Kind: judges.Crashed, Client: p.settings.Client})
	}
	return facts
}

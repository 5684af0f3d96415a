package main

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// stock is the service: how many of each thing are there, and how often somebody looked. Every member has one and executes the
// same commands in the same order, so nothing here may depend on anything else: no clock, no chance, no order of a map.
type stock struct {
	shelves map[string]shelf
	digest  uint64
}

// shelf is what there is of one thing.
type shelf struct{ count, looks uint64 }

func newStock() *stock { return &stock{shelves: map[string]shelf{}} }

// Apply executes a command: a verb, a thing, and a number for add and take. It cannot fail: what is wrong is the reply.
func (s *stock) Apply(c session.Command, reply []byte) []byte {
	var verb, thing string
	var n uint64
	if _, err := fmt.Sscan(string(c.Body)+" 0", &verb, &thing, &n); err != nil {
		return append(reply, "say: add THING N, take THING N, look THING or seen THING"...)
	}
	at := s.shelves[thing]
	switch verb {
	case "add":
		at.count += n
	case "take":
		if n > at.count {
			return fmt.Appendf(reply, "there are only %d %s", at.count, thing)
		}
		at.count -= n
	case "seen":
		at.looks++
	case "look": // changes nothing
	default:
		return fmt.Appendf(reply, "there is no verb %q", verb)
	}
	s.put(thing, at)
	return fmt.Appendf(reply, "%d %s, looked at %d times", at.count, thing, at.looks)
}

// put changes one shelf, and the digest with it: what the shelf was goes out of it, what it is comes in. So it costs the same however
// much there is.
func (s *stock) put(thing string, at shelf) {
	if old, is := s.shelves[thing]; is {
		s.digest ^= sum(thing, old)
	}
	s.digest ^= sum(thing, at)
	s.shelves[thing] = at
}

func sum(thing string, at shelf) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %d", thing, at.count, at.looks)
	return h.Sum64()
}

// Digest is of the whole state: members whose digests differ have diverged, and are found out.
func (s *stock) Digest() uint64 { return s.digest }

// Snapshot writes the state for a member that comes in: equal states as equal bytes, so in the order of names.
func (s *stock) Snapshot(w io.Writer) error {
	for _, thing := range slices.Sorted(maps.Keys(s.shelves)) {
		at := s.shelves[thing]
		if err := binary.Write(w, binary.BigEndian, []uint64{uint64(len(thing)), at.count, at.looks}); err != nil {
			return err
		}
		if _, err := io.WriteString(w, thing); err != nil {
			return err
		}
	}
	return nil
}

// Restore reads what Snapshot wrote, in place of what there is.
func (s *stock) Restore(r io.Reader) error {
	*s = *newStock()
	for {
		var head [3]uint64
		err := binary.Read(r, binary.BigEndian, &head)
		if err == io.EOF {
			return nil
		}
		var thing strings.Builder
		if err == nil {
			_, err = io.CopyN(&thing, r, int64(head[0]))
		}
		if err != nil {
			return err
		}
		s.put(thing.String(), shelf{head[1], head[2]})
	}
}

// Ended tells that a client's session is over; there is nothing here that belongs to one.
func (s *stock) Ended(time.Duration, session.ID) {}

// Passed and Next are for what is to happen by time; nothing is.
func (s *stock) Passed(time.Duration) {}

// Next says when.
func (s *stock) Next() time.Duration { return 0 }

package stack

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-ha/holdfast/protocol/takeover"
)

// mirror compares the service's table with the cache that it should equal: the internal
// cache of a source, the active's external cache at a standby. One comparison reads the
// whole table and then goes through the cache for what the table did not have.
//
// A table that is read while it changes may miss an object that is there, so an object
// is deleted from the internal cache only if two readings in a row miss it.
//
// At a standby the table has all of the cache only if a comparison has ended, under the
// active that it began under, and nothing has called for another since. Only then does a
// Commit find its work done: see [Stack.beginCommit].
type mirror struct {
	equal   bool // so it is; only at a standby that injects continuously
	wanted  bool // a comparison should be made
	reading bool // the service is reading its table
	walking bool // the cache is being gone through
	cursor  uint32
	seen    map[uint64]struct{} // hashes of the keys the table had
	missing map[uint64]struct{} // hashes of the keys the reading before did not have
	again   bool                // another reading must confirm what is missing
	owner   bool                // the comparison was begun as a source
}

// want asks for a comparison. Until it has ended the table counts as different.
func (m *mirror) want() { m.wanted, m.equal = true, false }

// busy says whether a comparison is to be made or under way.
func (m *mirror) busy() bool { return m.wanted || m.reading || m.walking }

// Lost says that the service may have missed changes of its table: compare.
func (s *Stack) Lost() { s.mirror.want() }

// mayCompare says whether the cache to compare with is what it should be.
func (s *Stack) mayCompare() bool {
	if s.owning {
		return s.disownAt.IsZero() && s.takeover.Role() != takeover.Stopped
	}
	return s.active.Known() && s.synced && s.commit.epoch == 0
}

// mayBegin says whether a comparison that is wanted can begin.
func (s *Stack) mayBegin() bool {
	m := &s.mirror
	return m.wanted && !m.reading && !m.walking && s.mayCompare()
}

// mirrorOn begins a comparison or goes on with it.
func (s *Stack) mirrorOn(now time.Time, out *Output) {
	m := &s.mirror
	if s.mayBegin() {
		m.wanted, m.reading, m.owner = false, true, s.owning
		m.seen = make(map[uint64]struct{})
		out.Do = append(out.Do, Command{Verb: Dump})
	}
	if !m.walking {
		return
	}
	if m.owner != s.owning {
		m.walking = false
		m.want() // the role changed meanwhile
		return
	}
	if s.owning {
		m.cursor = s.proxy.Own(m.cursor, chunk, func(key, _ []byte) { s.missed(key) })
	} else {
		m.cursor = s.proxy.Held(s.active.ID, m.cursor, chunk, func(key, state []byte) {
			if _, ok := m.seen[xxhash.Sum64(key)]; !ok && s.cfg.Inject == Continuously {
				out.object(Put, key, state)
			}
		})
	}
	if m.cursor == 0 {
		s.compared(now)
	}
}

// missed notes that the table did not have an object of the internal cache.
func (s *Stack) missed(key []byte) {
	m, h := &s.mirror, xxhash.Sum64(key)
	if _, ok := m.seen[h]; ok {
		return
	}
	if m.missing == nil {
		m.missing = make(map[uint64]struct{})
	}
	if !m.again && len(m.missing) < missingMax {
		m.missing[h] = struct{}{}
	}
}

// compared ends a comparison, or asks for the reading that confirms it.
func (s *Stack) compared(now time.Time) {
	m := &s.mirror
	if m.owner {
		s.proxy.Whole()
	}
	if m.owner && m.again {
		for c := uint32(0); ; {
			if c = s.forgetMissing(now, c); c == 0 {
				break
			}
		}
		m.again, m.missing = false, nil
	} else if m.owner && len(m.missing) > 0 {
		m.again, m.wanted = true, true
	}
	m.walking, m.seen = false, nil
	// Without an active nothing was gone through.
	m.equal = !m.owner && !m.wanted && s.active.Known() && s.cfg.Inject == Continuously
}

// forgetMissing deletes what both readings missed, a chunk at a time.
func (s *Stack) forgetMissing(now time.Time, cursor uint32) uint32 {
	m := &s.mirror
	var gone [][]byte
	cursor = s.proxy.Own(cursor, chunk, func(key, _ []byte) {
		h := xxhash.Sum64(key)
		if _, seen := m.seen[h]; seen {
			return
		}
		if _, missing := m.missing[h]; missing {
			gone = append(gone, append([]byte(nil), key...))
		}
	})
	for _, key := range gone {
		s.proxy.Delete(now, key)
	}
	return cursor
}

// Changed says that an object of the table is new or has changed. Only a source minds.
func (s *Stack) Changed(now time.Time, key, state []byte) {
	if !s.owning {
		return
	}
	s.mirror.witness(key)
	s.proxy.Put(now, key, state)
}

// witness notes that the table has an object although no reading has shown it: it came
// while its place had been read already, and the next reading may miss it.
func (m *mirror) witness(key []byte) {
	if m.missing == nil && m.seen == nil {
		return
	}
	h := xxhash.Sum64(key)
	delete(m.missing, h)
	if m.seen != nil {
		m.seen[h] = struct{}{}
	}
}

// Gone says that an object has left the table. A standby puts back what the active
// still has: its copy expired because no packet comes by here.
func (s *Stack) Gone(now time.Time, key []byte, out *Output) {
	if s.owning {
		s.proxy.Delete(now, key)
		return
	}
	if !s.mirrors() {
		return
	}
	if state, ok := s.proxy.HeldState(s.teller(), key); ok {
		out.object(Put, key, state)
	}
}

// Found is one object of the table being read.
func (s *Stack) Found(now time.Time, key, state []byte, out *Output) {
	m := &s.mirror
	if !m.reading || m.owner != s.owning {
		return
	}
	m.seen[xxhash.Sum64(key)] = struct{}{}
	if s.owning {
		s.proxy.Put(now, key, state)
		return
	}
	if !s.mayCompare() && canary != HastyReading {
		return // the active is gone, or what is here is being put here: see Dumped
	}
	held, ok := s.proxy.HeldState(s.active.ID, key)
	if !ok || s.cfg.Inject == AtTakeover {
		out.object(Remove, key, nil)
		return
	}
	// It may be there because this table tracked it once. What it was then is not what
	// it is now at the active, even where both look the same.
	out.object(Change, key, held)
}

// Dumped says that the whole table was read. If complete is false it was not, and the
// reading must be made again.
func (s *Stack) Dumped(complete bool) {
	m := &s.mirror
	if !m.reading {
		return
	}
	m.reading = false
	if !complete || m.owner != s.owning || !s.mayCompare() {
		m.want()
		return
	}
	m.walking, m.cursor = true, 0
}

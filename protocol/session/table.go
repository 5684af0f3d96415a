package session

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// Table is the sessions of a service: who is there, until when, and what it was answered. An
// [Executor] has one; others may look at it.
type Table struct {
	order   []*client // by ID
	byID    map[ID]*client
	byNonce map[uint64]*client
	due     due
	newest  *client // the one that was renewed last
	given   ID      // the greatest ID given
	xor     uint64  // of all sessions' digests
	bytes   int     // of kept replies
	free    buffers
}

// client is a session.
type client struct {
	id     ID
	nonce  uint64
	label  []byte
	opened time.Duration // with ShortLease only
	lease  time.Duration
	last   time.Duration // agreed time of the last request, and what did not count since
	index  uint64        // of that request
	older  *client       // the one that was renewed before, and newer after it
	newer  *client
	kept   kept
	digest uint64
	place  int // in due
}

func (c *client) end() time.Duration {
	if canary == ShortLease {
		return c.opened + c.lease
	}
	return c.last + c.lease // an agreed time is below 2^62, see Executor.advance
}

func newTable() *Table {
	return &Table{byID: map[ID]*client{}, byNonce: map[uint64]*client{}}
}

// Info is what there is to say of a session.
type Info struct {
	ID    ID
	Label string        // who the client is, for people
	Last  time.Duration // agreed time of its last request
	Ends  time.Duration // agreed time at which it ends if nothing more comes
	Acked uint64        // the client waits for no number up to this one
	Kept  int           // replies that are kept for it
	Bytes int           // of these replies
}

// Len is how many sessions there are.
func (t *Table) Len() int { return len(t.order) }

// Kept is how many bytes of replies are kept for all of them.
func (t *Table) Kept() int { return t.bytes }

// Sessions goes through the sessions in the order of ID until fn gives false.
func (t *Table) Sessions(fn func(Info) bool) {
	for _, c := range t.order {
		if !fn(c.info()) {
			return
		}
	}
}

// Session tells of one session.
func (t *Table) Session(s ID) (Info, bool) {
	c := t.byID[s]
	if c == nil {
		return Info{}, false
	}
	return c.info(), true
}

// Opened says whether there is a session for which its client has drawn this.
func (t *Table) Opened(nonce uint64) bool { return t.byNonce[nonce] != nil }

// Nonce is what the client of a session has drawn for it, and nobody else knows; false if there is no such session.
func (t *Table) Nonce(s ID) (uint64, bool) {
	c := t.byID[s]
	if c == nil {
		return 0, false
	}
	return c.nonce, true
}

func (c *client) info() Info {
	return Info{
		ID: c.id, Label: string(c.label), Last: c.last, Ends: c.end(),
		Acked: c.kept.acked, Kept: c.kept.count, Bytes: c.kept.bytes,
	}
}

// Digest is a digest of all of it, kept up to date at each change.
func (t *Table) Digest() uint64 { return mix(uint64(t.given), t.xor) }

// next is the session that ends first; nil if there is none.
func (t *Table) next() *client {
	if len(t.due) == 0 {
		return nil
	}
	return t.due[0]
}

// open gives the session of an Open at an agreed time.
func (t *Table) open(r *Request, at time.Duration, index uint64) (ID, Status) {
	if c := t.byNonce[r.Nonce]; c != nil {
		if c.lease != r.Lease || !bytes.Equal(c.label, r.Label) {
			return 0, Refused
		}
		t.renew(c, r, at, index)
		return c.id, OK
	}
	if len(t.order) >= sessionsMax {
		return 0, Full
	}
	t.given++
	t.add(&client{
		id: t.given, nonce: r.Nonce, label: bytes.Clone(r.Label),
		opened: at, lease: r.Lease, last: at, index: index,
	})
	return t.given, OK
}

// add puts a session in whose ID is the greatest, and that was renewed last.
func (t *Table) add(c *client) {
	t.order = append(t.order, c)
	t.byID[c.id], t.byNonce[c.nonce] = c, c
	t.due.push(c)
	t.link(c)
	t.bytes += c.kept.bytes
	t.settle(c)
}

// link makes a session the one that was renewed last.
func (t *Table) link(c *client) {
	if c.older = t.newest; c.older != nil {
		c.older.newer = c
	}
	t.newest = c
}

// unlink takes a session out of the order of renewals.
func (t *Table) unlink(c *client) {
	if c.older != nil {
		c.older.newer = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		t.newest = c.older
	}
	c.older, c.newer = nil, nil
}

// relink brings all sessions into the order of renewals.
func (t *Table) relink() {
	by := slices.Clone(t.order)
	slices.SortStableFunc(by, func(a, b *client) int { return cmp.Compare(a.index, b.index) })
	t.newest = nil
	for _, c := range by {
		c.older, c.newer = nil, nil
		t.link(c)
	}
}

// spare lets a time not count for the sessions that were renewed after the command of an index.
func (t *Table) spare(after uint64, d time.Duration) {
	for c := t.newest; c != nil && c.index > after && d > 0; c = c.older {
		c.last += d
		t.due.fix(c.place)
		t.settle(c)
	}
}

// find gives a request's session; nil if it has ended or is another's.
func (t *Table) find(r *Request) *client {
	if c := t.byID[r.Session]; c != nil && c.nonce == r.Nonce {
		return c
	}
	return nil
}

// renew notes that a session's client is there, and what it acknowledges.
func (t *Table) renew(c *client, r *Request, at time.Duration, index uint64) {
	t.bytes -= c.kept.bytes
	c.kept.ack(r.Acked, &t.free)
	t.bytes += c.kept.bytes
	c.last, c.index = at, index
	t.unlink(c)
	t.link(c)
	t.due.fix(c.place)
	t.settle(c)
}

// admit says whether a remembered number is to be executed: then the status is 0. If it was, slot
// has the reply; else the status says why not.
func (t *Table) admit(c *client, number uint64) (*slot, Status) {
	if number <= c.kept.acked {
		if canary == Reopened {
			return nil, 0
		}
		return nil, Forgotten
	}
	if s := c.kept.find(number); s != nil {
		return s, OK
	}
	if number-c.kept.acked > Window || c.kept.bytes >= keptMax || t.bytes >= keptAll {
		return nil, TooMany
	}
	return nil, 0
}

// keep keeps the reply of an admitted number.
func (t *Table) keep(c *client, number uint64, reply []byte, digest uint64) {
	if canary == Forgetful && number%4 == 0 || canary == Reopened && number <= c.kept.acked {
		return
	}
	c.kept.put(number, reply, digest, t.free.take())
	t.bytes += len(reply)
	t.settle(c)
}

// settle brings the digest up to date after a session has changed.
func (t *Table) settle(c *client) {
	t.xor ^= c.digest
	c.digest = mix(uint64(c.id), c.nonce, uint64(c.lease), uint64(c.last), c.index, c.kept.acked, sum(c.label), c.kept.xor)
	t.xor ^= c.digest
}

// remove ends a session.
func (t *Table) remove(c *client) {
	i, _ := slices.BinarySearchFunc(t.order, c.id, func(c *client, id ID) int {
		if c.id < id {
			return -1
		}
		return int(min(c.id-id, 1))
	})
	t.order = slices.Delete(t.order, i, i+1)
	delete(t.byID, c.id)
	delete(t.byNonce, c.nonce)
	t.unlink(c)
	t.due.remove(c.place)
	t.xor ^= c.digest
	t.bytes -= c.kept.bytes
	for i := range c.kept.slots {
		c.kept.drop(&c.kept.slots[i], &t.free)
	}
}

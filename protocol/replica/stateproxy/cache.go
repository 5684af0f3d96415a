package stateproxy

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// slot is the place of an object in a cache, from 1. A peer names our objects by it:
// four bytes stand for a whole identity.
type slot = uint32

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits
	inlineMax = 74 // with it an object is 96 bytes and holds an IPv6 TCP flow
	spillStep = 64
)

// object is one thing the service keeps state for. Objects hold no pointers, so that
// the garbage collector has nothing to look at in a cache of a million.
type object struct {
	hash  uint64 // of the key, seeded
	term  uint64 // what the object adds to the cache's digest
	key   uint16 // length
	state uint16 // length
	dead  bool   // a tombstone: destroyed, but a peer has not confirmed it
	body  [inlineMax]byte
}

// cache holds objects by slot and finds them by key. Its digest is the sum of the
// objects' terms: it does not depend on the order in which they came.
type cache struct {
	chunks []*[chunkSize]object
	free   []slot
	top    slot // the highest slot ever used
	index  index
	live   int // objects that are not dead
	seed   uint64
	hasher xxhash.Digest
	spill  map[slot][]byte // bodies longer than inlineMax

	spilled int // bytes in spill
}

func newCache(seed uint64) cache {
	return cache{seed: seed, spill: make(map[slot][]byte)}
}

func (c *cache) at(s slot) *object { return &c.chunks[s>>chunkBits][s&(chunkSize-1)] }

// used is the number of slots taken, tombstones included.
func (c *cache) used() int { return int(c.top) - len(c.free) }

func (c *cache) hash(key []byte) uint64 {
	c.hasher.ResetWithSeed(c.seed)
	_, _ = c.hasher.Write(key)
	return c.hasher.Sum64()
}

// find returns the slot of key, a tombstone's too, or 0.
func (c *cache) find(key []byte) slot {
	return c.findHashed(key, c.hash(key))
}

func (c *cache) findHashed(key []byte, hash uint64) slot {
	if len(c.index.table) == 0 {
		return 0
	}
	for p := c.index.start(hash); ; p = c.index.after(p) {
		e := c.index.table[p]
		if e.slot == 0 {
			return 0
		}
		if e.tag == uint32(hash) && c.at(e.slot).hash == hash && string(c.keyOf(e.slot)) == string(key) {
			return e.slot
		}
	}
}

// insert adds an object that is not there yet.
func (c *cache) insert(key, state []byte) slot {
	var s slot
	if n := len(c.free); n > 0 {
		s, c.free = c.free[n-1], c.free[:n-1]
	} else {
		c.top++
		s = c.top
		if int(s>>chunkBits) == len(c.chunks) {
			c.chunks = append(c.chunks, new([chunkSize]object))
		}
	}
	o := c.at(s)
	*o = object{hash: c.hash(key), key: uint16(len(key))}
	copy(c.room(s, len(key)+len(state)), key)
	c.live++
	c.setState(s, state)
	c.index.add(o.hash, s, c.used())
	return s
}

// room makes the body of s able to hold n bytes and returns it, old bytes kept.
func (c *cache) room(s slot, n int) []byte {
	o := c.at(s)
	if n <= inlineMax {
		if long, ok := c.spill[s]; ok {
			copy(o.body[:], long)
			c.spilled -= len(long)
			delete(c.spill, s)
		}
		return o.body[:]
	}
	long, ok := c.spill[s]
	if !ok || len(long) < n {
		// A body that grows byte by byte must not be copied for every byte.
		grown := make([]byte, (n+spillStep-1)/spillStep*spillStep)
		c.spilled += len(grown) - len(long)
		if ok {
			copy(grown, long)
		} else {
			copy(grown, o.body[:])
		}
		long = grown
		c.spill[s] = long
	}
	return long
}

func (c *cache) body(s slot) []byte {
	o := c.at(s)
	if n := int(o.key) + int(o.state); n > inlineMax {
		return c.spill[s][:n]
	} else {
		return o.body[:n]
	}
}

func (c *cache) keyOf(s slot) []byte   { return c.body(s)[:c.at(s).key] }
func (c *cache) stateOf(s slot) []byte { return c.body(s)[c.at(s).key:] }

// setState replaces the state of an object and its term.
func (c *cache) setState(s slot, state []byte) {
	o := c.at(s)
	n := int(o.key) + len(state)
	body := c.room(s, n)
	copy(body[o.key:], state)
	o.state = uint16(len(state))
	o.term = term(body[:n], int(o.key))
}

// setTail keeps the first p bytes of the state and replaces the rest. p must not be
// larger than the state.
func (c *cache) setTail(s slot, p int, tail []byte) {
	o := c.at(s)
	n := int(o.key) + p + len(tail)
	body := c.room(s, n)
	copy(body[int(o.key)+p:], tail)
	o.state = uint16(p + len(tail))
	o.term = term(body[:n], int(o.key))
}

// bury turns an object into a tombstone; its last state stays for comparison.
func (c *cache) bury(s slot) { c.at(s).dead = true; c.live-- }

// revive is the reverse.
func (c *cache) revive(s slot) { c.at(s).dead = false; c.live++ }

// remove frees the slot.
func (c *cache) remove(s slot) {
	o := c.at(s)
	if !o.dead {
		c.live--
	}
	c.index.remove(o.hash, s)
	if len(c.spill) > 0 {
		c.spilled -= len(c.spill[s])
		delete(c.spill, s)
	}
	*o = object{}
	c.free = append(c.free, s)
}

// taken says whether the slot holds an object or a tombstone.
func (c *cache) taken(s slot) bool { return c.at(s).key != 0 }

// term is what an object adds to a digest: 64 bits of its key and state, so that two
// caches that differ agree by chance once in 2^64 comparisons. The length of the key
// is mixed in: "ab"+"c" is not "a"+"bc".
func term(body []byte, key int) uint64 {
	h := xxhash.Sum64(body) ^ uint64(key)*0x9e3779b97f4a7c15
	hi, lo := bits.Mul64(h|1, 0xd6e8feb86659fd93)
	return hi ^ lo ^ h
}

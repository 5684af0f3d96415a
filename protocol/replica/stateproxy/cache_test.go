package stateproxy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestCacheAgainstAMap does the same things to a cache and to a map: lengths on both sides
// of what fits into an object, tombstones, slots used again.
func TestCacheAgainstAMap(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := newCache(rng.Uint64())
		twin := map[string]string{}
		dead := map[string]bool{}
		for range 5000 {
			key := fmt.Sprint("key-", rng.IntN(300))
			if rng.IntN(2) == 0 {
				key += string(make([]byte, KeyMax-len(key)))
			}
			state := make([]byte, rng.IntN(2)*rng.IntN(StateMax-20)+rng.IntN(20))
			for i := range state {
				state[i] = byte(rng.Uint32())
			}
			s := c.find([]byte(key))
			_, there := twin[key]
			if (s != 0) != there {
				t.Fatalf("seed %d: %q is there: %v, want %v", seed, key, s != 0, there)
			}
			switch {
			case s == 0:
				s = c.insert([]byte(key), state)
				twin[key] = string(state)
			case rng.IntN(4) == 0:
				c.remove(s)
				delete(twin, key)
				delete(dead, key)
				continue
			case dead[key]:
				c.revive(s)
				delete(dead, key)
			case rng.IntN(4) == 0:
				c.bury(s)
				dead[key] = true
			case rng.IntN(2) == 0:
				p := rng.IntN(min(len(twin[key]), StateMax/2) + 1)
				state = state[:min(len(state), StateMax-p)]
				twin[key] = twin[key][:p] + string(state)
				c.setTail(s, p, state)
			default:
				c.setState(s, state)
				twin[key] = string(state)
			}
			if string(c.keyOf(s)) != key || string(c.stateOf(s)) != twin[key] {
				t.Fatalf("seed %d: slot %d holds %q=%q, want %q=%q", seed, s, c.keyOf(s), c.stateOf(s), key, twin[key])
			}
			if want := term([]byte(key+twin[key]), len(key)); c.at(s).term != want {
				t.Fatalf("seed %d: the term of %q is %x, want %x", seed, key, c.at(s).term, want)
			}
		}
		whole(t, seed, &c, twin, dead)
	}
}

// whole compares a cache with a map, and what it says of its size.
func whole(t *testing.T, seed uint64, c *cache, twin map[string]string, dead map[string]bool) {
	t.Helper()
	if c.used() != len(twin) || c.live != len(twin)-len(dead) {
		t.Errorf("seed %d: %d slots in use, %d live; want %d and %d", seed, c.used(), c.live, len(twin), len(twin)-len(dead))
	}
	seen := 0
	for cursor, first := uint32(0), true; first || cursor != 0; first = false {
		cursor = c.walk(cursor, 7, func(key, state []byte) {
			seen++
			if twin[string(key)] != string(state) || dead[string(key)] {
				t.Errorf("seed %d: the walk shows %q=%q; dead: %v", seed, key, state, dead[string(key)])
			}
		})
	}
	if seen != c.live {
		t.Errorf("seed %d: the walk shows %d of %d", seed, seen, c.live)
	}
	spilled := 0
	for s := range c.spill {
		if !c.taken(s) {
			t.Errorf("seed %d: slot %d is free and has a long body", seed, s)
		}
		spilled += len(c.spill[s])
	}
	if spilled != c.spilled {
		t.Errorf("seed %d: long bodies are %d bytes, and %d are counted", seed, spilled, c.spilled)
	}
}

// TestIndexAgainstAMap uses hashes that collide in their lower half, so that everything
// is in one heap of neighbours.
func TestIndexAgainstAMap(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var x index
		twin := map[slot]uint64{}
		var slots []slot
		next := slot(0)
		for range 2000 {
			if len(twin) > 0 && rng.IntN(5) < 2 {
				i := rng.IntN(len(slots))
				victim := slots[i]
				slots[i] = slots[len(slots)-1]
				slots = slots[:len(slots)-1]
				x.remove(twin[victim], victim)
				delete(twin, victim)
			} else {
				next++
				hash := rng.Uint64N(8)<<32 | rng.Uint64N(64) + 1
				twin[next] = hash
				slots = append(slots, next)
				x.add(hash, next, len(twin))
			}
			full := 0
			for _, e := range x.table {
				if e.slot != 0 {
					full++
				}
			}
			if full != len(twin) || full*4 > len(x.table)*3 {
				t.Fatalf("seed %d: %d entries in a table of %d, want %d", seed, full, len(x.table), len(twin))
			}
		}
		for s, hash := range twin {
			p := x.start(hash)
			for x.table[p].slot != s {
				if x.table[p].slot == 0 {
					t.Fatalf("seed %d: slot %d cannot be found", seed, s)
				}
				p = x.after(p)
			}
		}
		x.remove(5, next+1) // not there: nothing happens
	}
}

func TestQueueAgainstASlice(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var q queue
	var twin []slot
	for i := range 20_000 {
		if rng.IntN(5) < 3 {
			q.push(slot(i))
			twin = append(twin, slot(i))
		} else if len(twin) > 0 {
			if got := q.pop(); got != twin[0] {
				t.Fatalf("popped %d, want %d", got, twin[0])
			}
			twin = twin[1:]
		}
		if q.n != len(twin) {
			t.Fatalf("%d are in the queue, want %d", q.n, len(twin))
		}
	}
}

func TestTermTellsKeysFromStates(t *testing.T) {
	body := []byte("abc")
	seen := map[uint64]int{}
	for key := 1; key <= len(body); key++ {
		seen[term(body, key)] = key
	}
	if len(seen) != len(body) {
		t.Errorf("the same bytes with another length of the key have the same term: %v", seen)
	}
	if term([]byte("ab"), 1) == term(bytes.ToUpper([]byte("ab")), 1) {
		t.Error("different bytes have the same term")
	}
}

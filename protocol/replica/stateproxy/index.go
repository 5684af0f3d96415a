package stateproxy

// index finds slots by hash: open addressing, linear probing, removal by shifting
// back, so that it never fills with markers of what is gone. Eight bytes an entry.
type index struct {
	table []entry // a power of two long
}

// entry is a slot under the lower half of its key's hash, which is enough to place it
// again in a table of any size that 32-bit slots can fill.
type entry struct {
	tag  uint32
	slot slot // 0: empty
}

const indexMin = 64

// start is where to look for a hash first; the table must not be empty.
func (x *index) start(hash uint64) int { return int(uint32(hash)) & (len(x.table) - 1) }

func (x *index) after(p int) int { return (p + 1) & (len(x.table) - 1) }

// add enters a slot. used is the number of slots in use, this one included; it keeps
// the table at most three quarters full.
func (x *index) add(hash uint64, s slot, used int) {
	if used*4 > len(x.table)*3 {
		x.grow()
	}
	x.place(entry{tag: uint32(hash), slot: s})
}

func (x *index) place(e entry) {
	p := x.start(uint64(e.tag))
	for x.table[p].slot != 0 {
		p = x.after(p)
	}
	x.table[p] = e
}

// grow doubles the table in one go: about five milliseconds at a million objects.
func (x *index) grow() {
	old := x.table
	x.table = make([]entry, max(indexMin, 2*len(old)))
	for _, e := range old {
		if e.slot != 0 {
			x.place(e)
		}
	}
}

// remove takes a slot out and moves back those that had to make way for it.
func (x *index) remove(hash uint64, s slot) {
	if len(x.table) == 0 {
		return
	}
	hole := x.start(hash)
	for x.table[hole].slot != s {
		if x.table[hole].slot == 0 {
			return
		}
		hole = x.after(hole)
	}
	for p := x.after(hole); x.table[p].slot != 0; p = x.after(p) {
		home := x.start(uint64(x.table[p].tag))
		// An entry may fill the hole only if the hole lies between its home and it.
		if (p-home)&(len(x.table)-1) >= (p-hole)&(len(x.table)-1) {
			x.table[hole], hole = x.table[p], p
		}
	}
	x.table[hole] = entry{}
}

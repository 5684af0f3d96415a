package simdisk

import (
	"maps"
	"slices"
	"time"
)

// Crash is a power cut at a time. What the process had open is void; open the journal anew.
func (d *Disk) Crash(now time.Duration) {
	d.Advance(now)
	if len(d.queue) > 0 && d.queue[0].begin <= now {
		if op := d.queue[0]; op.torn != nil {
			op.torn()
		} else if d.rng.IntN(2) == 0 {
			op.do()
		}
	}
	d.queue, d.end = nil, d.now
	keep := []float64{0, 1, d.rng.Float64(), d.rng.Float64()}[d.rng.IntN(4)]
	for _, s := range d.steps {
		if d.rng.Float64() < keep {
			s.apply(d.stable)
		}
	}
	d.steps = nil
	d.names = maps.Clone(d.stable)
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		d.lose(d.names[name], keep)
	}
	d.failSync, d.failWrite = -1, -1
	d.collect()
}

// Kill ends the process alone: what the kernel has been told is there, durable or not. The
// last thing it was told may have come too late.
func (d *Disk) Kill(now time.Duration) {
	d.Advance(now)
	if len(d.queue) > 0 && d.queue[0].begin <= now && d.rng.IntN(2) == 0 {
		d.queue[0].do()
	}
	d.queue, d.end = nil, d.now
	d.failSync, d.failWrite = -1, -1
}

// lose draws what a power cut leaves of a file.
func (d *Disk) lose(n *inode, keep float64) {
	if was, is := len(n.stable), len(n.data); was != is {
		switch d.rng.IntN(3) {
		case 0:
			n.resize(is)
		case 1:
			n.resize(min(was, is) + d.rng.IntN(max(was, is)-min(was, is)+1))
		}
	}
	for _, s := range n.sectors() {
		switch {
		case d.rng.Float64() < keep:
			n.keep(s, 0, sector)
		case d.rng.IntN(8) == 0: // torn, its beginning or its end
			if at := d.rng.IntN(sector); d.rng.IntN(2) == 0 {
				n.keep(s, 0, at)
			} else {
				n.keep(s, at, sector)
			}
		case d.cfg.Stale && !n.written[s] && d.rng.IntN(2) == 0:
			d.exhume(n, s)
		}
	}
	clear(n.dirty)
	n.data = slices.Clone(n.stable)
	n.failed = false
}

// exhume shows in a sector that was never written what one of the files had there that
// were removed last.
func (d *Disk) exhume(n *inode, s int) {
	choice := d.rng.IntN(4)
	for i := len(d.inodes) - 1; i >= 0; i-- {
		old := d.inodes[i]
		if from := s * sector; old.dead && from < len(old.data) && from < len(n.stable) {
			copy(n.stable[from:min(from+sector, len(n.stable))], old.data[from:])
			if choice--; choice < 0 {
				return
			}
		}
	}
}

// Flip flips one bit of what the disk has: an error that nobody notices before it is
// read. It says false if there is no such byte. Only names that are durable have one.
func (d *Disk) Flip(name string, offset int64, bit uint) bool {
	d.settle()
	n := d.names[name]
	if n == nil || offset >= int64(len(n.stable)) {
		return false
	}
	n.stable[offset] ^= 1 << (bit % 8)
	if offset < int64(len(n.data)) {
		n.data[offset] ^= 1 << (bit % 8)
	}
	return true
}

// Clone gives a disk with the same files, to try something on.
func (d *Disk) Clone() *Disk {
	d.settle()
	c := New(d.cfg, d.rng)
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		n := d.names[name]
		m := &inode{data: slices.Clone(n.data), stable: slices.Clone(n.stable), dirty: maps.Clone(n.dirty), written: maps.Clone(n.written), size: n.size}
		c.names[name], c.stable[name] = m, m
		c.inodes = append(c.inodes, m)
		c.used += m.size
	}
	return c
}

// Bytes gives a copy of what a file has; nil if there is none of this name.
func (d *Disk) Bytes(name string) []byte {
	d.settle()
	if n := d.names[name]; n != nil {
		return slices.Clone(n.data)
	}
	return nil
}

// Lose removes a file, durably, as an operator might.
func (d *Disk) Lose(name string) {
	d.settle()
	delete(d.names, name)
	delete(d.stable, name)
}

// Put makes a file of these bytes, durably, as an operator or an adversary might.
func (d *Disk) Put(name string, b []byte) {
	d.Lose(name)
	n := &inode{data: slices.Clone(b), stable: slices.Clone(b), dirty: map[int]bool{}, written: map[int]bool{}, size: int64(len(b))}
	d.names[name], d.stable[name] = n, n
	d.inodes = append(d.inodes, n)
	d.used += n.size
}

package simdisk

import (
	"io"
	"slices"
)

// file is an open file.
type file struct {
	d *Disk
	n *inode
}

// ReadAt reads what the process sees.
func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	f.d.settle()
	if offset >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes; it is not durable before a sync.
func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	d, n := f.d, f.n
	var err error
	if d.failWrite == 0 {
		p, err = p[:len(p)/2], ErrWrite
	}
	if d.failWrite >= 0 {
		d.failWrite--
	}
	if more := offset + int64(len(p)) - n.size; more > 0 {
		if d.cfg.Capacity > 0 && d.used+more > d.cfg.Capacity {
			more = max(d.cfg.Capacity-d.used, 0)
			p, err = p[:max(n.size+more-offset, 0)], ErrFull
		}
		d.used += more
		n.size += more
	}
	b := slices.Clone(p)
	d.begin(d.cfg.Write, func() { n.write(b, offset) }, func() { n.write(b[:d.rng.IntN(len(b)+1)], offset) })
	return len(p), err
}

// Size is the size that the process sees.
func (f *file) Size() (int64, error) {
	f.d.settle()
	return int64(len(f.n.data)), nil
}

// Sync makes content and size durable.
func (f *file) Sync() error {
	d, n := f.d, f.n
	d.syncs++
	if n.failed {
		d.attempts++
	}
	if d.failSync >= 0 {
		d.failSync--
		if d.failSync < 0 {
			n.failed = true
			d.begin(d.takes(), func() { n.forget(d) }, nil)
			return ErrSync
		}
	}
	d.begin(d.takes(), n.flush, nil)
	return nil
}

// Close lets go of the file.
func (f *file) Close() error { return nil }

// write changes what the process sees.
func (n *inode) write(b []byte, offset int64) {
	if len(b) == 0 {
		return
	}
	end := int(offset) + len(b)
	if end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	copy(n.data[offset:], b)
	for s := int(offset) / sector; s*sector < end; s++ {
		n.dirty[s] = true
	}
}

// flush makes everything durable that a sync writes. What a failed sync has dropped is not
// among it.
func (n *inode) flush() {
	n.resize(len(n.data))
	for _, s := range n.sectors() {
		n.keep(s, 0, sector)
	}
	clear(n.dirty)
}

// forget is a sync that fails: some sectors are written, and the kernel takes all for clean.
func (n *inode) forget(d *Disk) {
	n.resize(len(n.data))
	for _, s := range n.sectors() {
		if d.rng.IntN(2) == 0 {
			n.keep(s, 0, sector)
		}
	}
	clear(n.dirty)
}

// sectors gives the dirty ones in order.
func (n *inode) sectors() []int {
	list := make([]int, 0, len(n.dirty))
	for s := range n.dirty {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// resize gives the file another size on the disk.
func (n *inode) resize(size int) {
	if size <= len(n.stable) {
		n.stable = n.stable[:size]
		return
	}
	n.stable = append(n.stable, make([]byte, size-len(n.stable))...)
}

// keep makes the bytes from..to of a sector durable.
func (n *inode) keep(s, from, to int) {
	n.written[s] = true
	from, to = s*sector+from, min(s*sector+to, len(n.stable), len(n.data))
	if from < to {
		copy(n.stable[from:to], n.data[from:to])
	}
}

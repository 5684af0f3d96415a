package journal

import "slices"

// writer does what is written, in the order that makes it durable. After the first failure
// it does nothing more. One goroutine at a time uses it.
type writer struct {
	dir Dir
	cfg Config

	era     uint64
	last    uint64 // index of the last record written
	durable uint64 // index up to which everything is on the disk
	chain   uint32 // sum of the head of the last record; 0 before the first of an era
	marked  bool   // the last record is testified

	file      File // the segment that is written; nil before the first record of this life
	name      string
	seed      uint32
	offset    int
	segments  []place // of this era, in order
	snapshots []place // all but those that are not whole
	files     uint64  // made in this life; another salt for each
	failed    error
	work      []byte // work space: a head, or a mark
}

// fail notes the first failure, which is the last thing that happens.
func (w *writer) fail(op, file string, err error) error {
	if err == nil || w.failed != nil {
		return w.failed
	}
	w.failed = &OpError{Op: op, File: file, Err: err}
	return w.failed
}

// append writes the records of a batch. It does not sync, but for a segment that is full.
func (w *writer) append(b *batch) error {
	start, at := 0, 0
	for at < len(b.bytes) && w.failed == nil {
		length := int(order.Uint32(b.bytes[at:]))
		size := frameSize(length)
		if w.file == nil || w.offset+at-start+size > w.cfg.SegmentSize {
			if w.write(b.bytes[start:at]) != nil || w.rotate() != nil {
				return w.failed
			}
			start = at
		}
		f := frame{kind: kindRecord, length: length, behind: uint32(w.last + 1 - w.durable), index: w.last + 1, chain: w.chain}
		w.chain = f.seal(b.bytes[at:at+size], w.seed)
		w.last++
		w.marked = false
		at += size
	}
	return w.write(b.bytes[start:at])
}

// write writes frames behind the last.
func (w *writer) write(frames []byte) error {
	if w.failed != nil || len(frames) == 0 {
		return w.failed
	}
	_, err := w.file.WriteAt(frames, int64(w.offset))
	w.offset += len(frames)
	return w.fail("write", w.name, err)
}

// sync makes durable what is written.
func (w *writer) sync() error {
	if w.failed != nil || w.durable == w.last {
		return w.failed
	}
	if w.syncFile(w.file, w.name) == nil {
		w.durable = w.last
	}
	return w.failed
}

// syncFile syncs one file, once.
func (w *writer) syncFile(f File, name string) error {
	switch {
	case canary == ForgottenSync && f == w.file:
		return nil
	case canary == SecondChance:
		err := f.Sync()
		if err != nil {
			err = f.Sync()
		}
		return w.fail("sync", name, err)
	}
	return w.fail("sync", name, f.Sync())
}

// rotate ends the segment and begins the next one. When the next has its name, everything
// before its first record is durable.
func (w *writer) rotate() error {
	if w.sync() != nil {
		return w.failed
	}
	p := place{w.era, w.last + 1}
	name := p.segment()
	f, err := w.dir.Create(name+newSuffix, int64(w.cfg.SegmentSize))
	if err != nil {
		return w.fail("create", name, err)
	}
	if w.file != nil {
		_ = w.file.Close() // everything in it is synced
	}
	w.file, w.name = f, name
	w.work, w.seed = w.head(p, w.chain).append(w.work[:0], segmentMagic)
	if _, err := f.WriteAt(w.work, 0); err != nil {
		return w.fail("write", name, err)
	}
	w.offset = headSize
	if err := f.Sync(); err != nil {
		return w.fail("sync", name, err)
	}
	if err := w.dir.Rename(name+newSuffix, name); err != nil {
		return w.fail("rename", name, err)
	}
	if canary != NamelessSegment {
		if err := w.dir.Sync(); err != nil {
			return w.fail("sync", "", err)
		}
	}
	// A segment without a record has been replaced by one of the same name.
	if n := len(w.segments); n == 0 || w.segments[n-1] != p {
		w.segments = append(w.segments, p)
	}
	return nil
}

// head makes the head of a new file.
func (w *writer) head(p place, chain uint32) head {
	w.files++
	return head{version: version, member: w.cfg.Member, cluster: w.cfg.Cluster, place: p, salt: mix(w.cfg.Salt, w.files), chain: chain}
}

// needsMark says whether the last record is durable and nothing in the log says so.
func (w *writer) needsMark() bool {
	return w.failed == nil && !w.marked && w.file != nil && w.last == w.durable && w.last > 0 && w.chain != 0 &&
		w.offset+frameHead <= w.cfg.SegmentSize
}

// mark testifies that the last record is durable.
func (w *writer) mark() error {
	if !w.needsMark() {
		return w.failed
	}
	w.marked = true
	w.work = slices.Grow(w.work[:0], frameHead)[:frameHead]
	f := frame{kind: kindMark, index: w.last, chain: w.chain}
	f.seal(w.work, w.seed)
	return w.write(w.work)
}

// close testifies and lets go of the file.
func (w *writer) close() error {
	if w.file == nil {
		return w.failed
	}
	if w.mark() == nil {
		_ = w.fail("sync", w.name, w.file.Sync())
	}
	_ = w.fail("close", w.name, w.file.Close())
	w.file = nil
	return w.failed
}

// sweep removes what the newest snapshot, which is durable under its name, has made
// needless: other snapshots, and segments that hold nothing behind it but the last one.
func (w *writer) sweep(newest place) error {
	for len(w.snapshots) > 0 {
		p := w.snapshots[0]
		if p != newest {
			if err := w.dir.Remove(p.snapshot()); err != nil {
				return w.fail("remove", p.snapshot(), err)
			}
		}
		w.snapshots = w.snapshots[1:]
	}
	w.snapshots = append(w.snapshots, newest)
	for len(w.segments) > 0 {
		p := w.segments[0]
		covered := p.era < newest.era || len(w.segments) > 1 && w.segments[1].index <= newest.index+1
		if !covered {
			return nil
		}
		if err := w.dir.Remove(p.segment()); err != nil {
			return w.fail("remove", p.segment(), err)
		}
		w.segments = w.segments[1:]
	}
	return nil
}

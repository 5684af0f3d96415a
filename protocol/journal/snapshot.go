package journal

import (
	"fmt"
	"hash/crc32"
	"io"
)

// blockHead is the length of a block and its sum.
const blockHead = 8

// endSize is the size of the last block.
const endSize = blockHead + 8

// snapshotWriter writes one snapshot, piece by piece.
type snapshotWriter struct {
	w        *writer
	place    place
	file     File
	offset   int64
	sum      uint32 // of the last block
	size     uint64 // of all bytes
	unsynced int
	block    []byte // work space: a block's head, and room for its bytes
}

// begin begins a snapshot of this era, or of the next one.
func (w *writer) begin(index uint64, reset bool) (*snapshotWriter, error) {
	if w.failed != nil {
		return nil, w.failed
	}
	p := place{w.era, index}
	if reset {
		p.era++
	}
	name := p.snapshot() + newSuffix
	f, err := w.dir.Create(name, 0)
	if err != nil {
		return nil, w.fail("create", name, err)
	}
	s := &snapshotWriter{w: w, place: p, file: f, block: make([]byte, 0, blockHead+blockMost)}
	var b []byte
	b, s.sum = w.head(p, 0).append(s.block, snapshotMagic)
	return s, s.write(b)
}

// write writes behind the last byte.
func (s *snapshotWriter) write(b []byte) error {
	_, err := s.file.WriteAt(b, s.offset)
	s.offset += int64(len(b))
	s.unsynced += len(b)
	if err == nil && s.unsynced >= unsyncedMost {
		s.unsynced = 0
		return s.w.fail("sync", s.place.snapshot(), s.file.Sync())
	}
	return s.w.fail("write", s.place.snapshot(), err)
}

// copy writes at most one piece of what a source has, and says whether that was all. An
// error that is not the writer's is the source's.
func (s *snapshotWriter) copy(source io.Reader) (done bool, err error) {
	for written := 0; written < pieceMost; {
		b := s.block[:blockHead+blockMost]
		n, err := io.ReadFull(source, b[blockHead:])
		if n > 0 {
			written += n
			s.size += uint64(n)
			if err := s.write(s.seal(b[:blockHead+n], n)); err != nil {
				return false, err
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return true, nil
		default:
			return false, err
		}
	}
	return false, nil
}

// seal writes the head of a block that says n.
func (s *snapshotWriter) seal(b []byte, n int) []byte {
	order.PutUint32(b, uint32(n))
	s.sum = blockSum(s.sum, b)
	order.PutUint32(b[4:], s.sum)
	return b
}

// blockSum is the sum of a block behind one with a sum.
func blockSum(former uint32, b []byte) uint32 {
	return crc32.Update(crc32.Update(former, castagnoli, b[:4]), castagnoli, b[blockHead:])
}

// commit ends the snapshot, makes it durable, gives it its name, makes that durable, and
// removes what is needless then.
func (s *snapshotWriter) commit() error {
	w, name := s.w, s.place.snapshot()
	b := s.block[:endSize]
	order.PutUint64(b[blockHead:], s.size)
	if s.write(s.seal(b, 0)) != nil {
		return w.failed
	}
	if canary == EarlyRename {
		_ = w.fail("rename", name, w.dir.Rename(name+newSuffix, name))
		_ = w.fail("sync", "", w.dir.Sync())
	}
	if w.failed == nil {
		_ = w.fail("sync", name, s.file.Sync())
	}
	_ = w.fail("close", name, s.file.Close())
	if w.failed == nil && canary != EarlyRename {
		_ = w.fail("rename", name, w.dir.Rename(name+newSuffix, name))
	}
	if w.failed == nil && canary != EarlyRemoval {
		_ = w.fail("sync", "", w.dir.Sync())
	}
	if w.failed != nil {
		return w.failed
	}
	if s.place.era != w.era {
		w.enter(s.place)
	}
	return w.sweep(s.place)
}

// enter begins the era of a snapshot.
func (w *writer) enter(p place) {
	if w.file != nil {
		_ = w.file.Close() // it is void
		w.file = nil
	}
	w.era, w.last, w.durable, w.chain, w.marked = p.era, p.index, p.index, 0, false
}

// abort gives a snapshot up.
func (s *snapshotWriter) abort() error {
	name := s.place.snapshot() + newSuffix
	_ = s.w.fail("close", name, s.file.Close())
	if s.w.failed == nil {
		_ = s.w.fail("remove", name, s.w.dir.Remove(name))
	}
	return s.w.failed
}

// snapshotReader reads a snapshot block by block. It ends with io.EOF if the snapshot is
// whole, and with a [*Refusal] if it is not.
type snapshotReader struct {
	file   File
	name   string
	offset int64
	size   int64
	sum    uint32
	bytes  uint64
	block  []byte
	rest   []byte // of the block, not read yet
	end    error
}

// openSnapshot opens a snapshot and judges its head.
func (c *Config) openSnapshot(f File, p place) (*snapshotReader, *Refusal) {
	r := &snapshotReader{file: f, name: p.snapshot(), block: make([]byte, blockHead+blockMost)}
	var err error
	if r.size, err = f.Size(); err != nil {
		return nil, r.refuse("its size cannot be had", err)
	}
	b := r.block[:min(headSize, r.size)]
	if _, err := f.ReadAt(b, 0); err != nil && len(b) > 0 {
		return nil, r.refuse("it cannot be read", err)
	}
	var refusal *Refusal
	_, r.sum, refusal = c.parseHead(b, r.name, snapshotMagic, p)
	r.offset = headSize
	return r, refusal
}

// refuse names the place that is not as it should be.
func (r *snapshotReader) refuse(problem string, err error) *Refusal {
	remedy := remedyDamage
	if err != nil {
		remedy = remedyRead
	}
	return &Refusal{Reason: Damaged, File: r.name, Offset: r.offset, Problem: problem, Remedy: remedy, Err: err}
}

// Read reads what the blocks hold.
func (r *snapshotReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.end == nil {
			r.end = r.next()
		}
		if r.end != nil {
			return 0, r.end
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next reads a block.
func (r *snapshotReader) next() error {
	if r.offset+endSize > r.size {
		return r.refuse(fmt.Sprintf("the snapshot ends after %d bytes of the file, before its last block", r.size), nil)
	}
	b := r.block[:blockHead]
	if _, err := r.file.ReadAt(b, r.offset); err != nil {
		return r.refuse("it cannot be read", err)
	}
	length := int(order.Uint32(b))
	size := blockHead + length
	if length == 0 {
		size = endSize
	}
	if length > blockMost || r.offset+int64(size) > r.size {
		return r.refuse(fmt.Sprintf("a block of %d bytes is not possible here", length), nil)
	}
	b = r.block[:size]
	if _, err := r.file.ReadAt(b[blockHead:], r.offset+blockHead); err != nil {
		return r.refuse("it cannot be read", err)
	}
	if r.sum = blockSum(r.sum, b); r.sum != order.Uint32(b[4:]) {
		return r.refuse("the checksum of a block is wrong", nil)
	}
	if length == 0 {
		if total := order.Uint64(b[blockHead:]); total != r.bytes || r.offset+endSize != r.size {
			return r.refuse(fmt.Sprintf("the snapshot says it has %d bytes; it has %d, in a file of %d", total, r.bytes, r.size), nil)
		}
		return io.EOF
	}
	r.rest = b[blockHead:]
	r.bytes += uint64(length)
	r.offset += int64(size)
	return nil
}

package journal

import "fmt"

// segmentReader walks over the frames of one segment in memory.
type segmentReader struct {
	cfg    *Config
	name   string
	bytes  []byte
	seed   uint32
	offset int
	next   uint64 // index of the next record
	chain  uint32 // sum of the head of the last one
}

// openSegment judges the head of a segment.
func (c *Config) openSegment(b []byte, p place) (*segmentReader, *Refusal) {
	h, seed, refusal := c.parseHead(b, p.segment(), segmentMagic, p)
	if refusal != nil {
		return nil, refusal
	}
	return &segmentReader{cfg: c, name: p.segment(), bytes: b, seed: seed, offset: headSize, next: p.index, chain: h.chain}, nil
}

// refuse names the place where the next frame should be.
func (r *segmentReader) refuse(problem string) *Refusal {
	return &Refusal{Reason: Damaged, File: r.name, Offset: int64(r.offset), Index: r.next, Problem: problem, Remedy: remedyDamage}
}

// read gives the next record; false where there is no valid frame. A frame that is valid
// and does not continue the log is refused.
func (r *segmentReader) read() (record []byte, ok bool, refusal *Refusal) {
	for {
		b := r.bytes[min(r.offset, len(r.bytes)):]
		f, ok := parseFrame(b, r.seed)
		if !ok {
			return nil, false, nil
		}
		body, ok := f.body(b, r.seed)
		if !ok {
			return nil, false, nil
		}
		switch {
		case f.chain != r.chain && canary != BlindChain:
			return nil, false, r.refuse(fmt.Sprintf("record %d is valid and does not follow the one before it", f.index))
		case f.kind == kindRecord && f.index == r.next && f.behind > 0 && f.durable() < f.index:
			r.offset += frameSize(f.length)
			r.next++
			r.chain = f.sum
			return body, true, nil
		case f.kind == kindMark && f.index == r.next-1 && f.behind == 0 && f.length == 0:
			r.offset += frameHead
		default:
			return nil, false, r.refuse(fmt.Sprintf("record %d is valid and stands in the place of record %d", f.index, r.next))
		}
	}
}

// blank says whether there is nothing but zeros from here on; if not, how many bytes there
// are up to the last other one.
func (r *segmentReader) blank() int {
	rest := r.bytes[min(r.offset, len(r.bytes)):]
	for i := len(rest); i > 0; i-- {
		if rest[i-1] != 0 {
			return i
		}
	}
	return 0
}

// testimony looks for a frame from here on which says that the record that cannot be read
// was durable.
func (r *segmentReader) testimony() *Refusal {
	if canary == BlindTail {
		return nil
	}
	for at := r.offset; at+frameHead <= len(r.bytes); at += frameAlign {
		if f, ok := parseFrame(r.bytes[at:], r.seed); ok && f.durable() >= r.next && f.durable() <= f.index {
			return r.refuse(fmt.Sprintf("there is no valid record here, and the frame at byte %d, of record %d, says that all was durable up to record %d",
				at, f.index, f.durable()))
		}
	}
	return nil
}

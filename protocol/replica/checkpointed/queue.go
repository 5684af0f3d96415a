package checkpointed

// queue is a run of bytes of a stream that are named by their offset. It grows at the end and
// shrinks at the beginning, and keeps its room.
type queue struct {
	b     []byte
	gone  int    // bytes of b before the first
	start uint64 // the offset of the first
}

// reset empties the queue; the next byte has the offset start.
func (q *queue) reset(start uint64) { q.b, q.gone, q.start = q.b[:0], 0, start }

// end is the offset behind the last byte.
func (q *queue) end() uint64 { return q.start + uint64(q.size()) }

func (q *queue) size() int { return len(q.b) - q.gone }

// from gives the bytes as of an offset, which must be between start and end.
func (q *queue) from(offset uint64) []byte { return q.b[q.gone+int(offset-q.start):] }

// drop forgets the bytes before an offset.
func (q *queue) drop(offset uint64) {
	if offset <= q.start {
		return
	}
	q.gone += int(offset - q.start)
	q.start = offset
	if q.gone > len(q.b)/2 {
		n := copy(q.b, q.b[q.gone:])
		q.b, q.gone = q.b[:n], 0
	}
}

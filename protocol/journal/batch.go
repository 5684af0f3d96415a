package journal

// batch is records that are written together. Each stands behind room for its head, so
// that nothing is copied again.
type batch struct {
	bytes []byte
	count int
}

// add appends a record.
func (b *batch) add(record []byte) {
	size := frameSize(len(record))
	at := len(b.bytes)
	if at+size > cap(b.bytes) {
		grown := make([]byte, at, max(2*cap(b.bytes), at+size))
		copy(grown, b.bytes)
		b.bytes = grown
	}
	b.bytes = b.bytes[:at+size]
	order.PutUint32(b.bytes[at:], uint32(len(record)))
	n := copy(b.bytes[at+frameHead:], record)
	clear(b.bytes[at+frameHead+n:])
	b.count++
}

// reset empties the batch.
func (b *batch) reset() {
	b.count = 0
	if b.bytes = b.bytes[:0]; cap(b.bytes) > batchKept {
		b.bytes = nil
	}
}

package wire

import "encoding/binary"

// Reader reads a message field by field. After the first field that is not there it
// returns zeros and stays failed, so that a message may be read whole and judged once
// with [Reader.Failed] or [Reader.Done]. It never panics and never allocates.
type Reader struct {
	b      []byte
	failed bool
}

// NewReader reads b. What [Reader.Bytes] returns aliases b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Failed says whether a field was missing or malformed.
func (r *Reader) Failed() bool { return r.failed }

// Done says whether every field was there and nothing is left over.
func (r *Reader) Done() bool { return !r.failed && len(r.b) == 0 }

// Len is the number of bytes not read yet; zero after a failure.
func (r *Reader) Len() int { return len(r.b) }

// Fail marks the message as malformed, for limits that only the caller knows.
func (r *Reader) Fail() { r.failed, r.b = true, nil }

// Bytes reads n bytes.
func (r *Reader) Bytes(n int) []byte {
	if r.failed || n < 0 || n > len(r.b) {
		r.Fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// U8 reads one byte.
func (r *Reader) U8() uint8 {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads a big-endian 16-bit number.
func (r *Reader) U16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// U32 reads a big-endian 32-bit number.
func (r *Reader) U32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64 reads a big-endian 64-bit number.
func (r *Reader) U64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Uvarint reads a number of one to ten bytes, seven bits a byte, the lowest first.
// Only the shortest form is accepted, so that a value has one encoding.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.failed || n <= 0 || (n > 1 && r.b[n-1] == 0) {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Block reads bytes that are preceded by their number as a Uvarint; more than most
// is a failure.
func (r *Reader) Block(most int) []byte {
	n := r.Uvarint()
	if n > uint64(most) {
		r.Fail()
		return nil
	}
	return r.Bytes(int(n))
}

// AppendBlock appends b preceded by its length, as [Reader.Block] reads it.
func AppendBlock(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

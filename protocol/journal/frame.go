package journal

import "hash/crc32"

const (
	frameHead  = 28 // bytes before the payload
	frameSum   = 24 // where the head's own sum stands
	frameAlign = 4

	kindRecord = 1
	kindMark   = 2
)

// frame is what the head of a frame says.
type frame struct {
	kind    uint8
	length  int
	behind  uint32
	index   uint64
	chain   uint32
	payload uint32 // sum of the payload
	sum     uint32 // of the head
}

// padded rounds up to where a frame may stand.
func padded(n int) int { return (n + frameAlign - 1) &^ (frameAlign - 1) }

// frameSize is the size of a frame with a payload of n bytes.
func frameSize(n int) int { return frameHead + padded(n) }

// durable is the index up to which everything was durable when the frame was written.
func (f *frame) durable() uint64 { return f.index - uint64(f.behind) }

// seal writes a frame's head before its payload, which stands in b with its padding, and
// gives the head's sum.
func (f *frame) seal(b []byte, seed uint32) uint32 {
	order.PutUint32(b, uint32(f.kind)<<24|uint32(f.length))
	order.PutUint32(b[4:], f.behind)
	order.PutUint64(b[8:], f.index)
	order.PutUint32(b[16:], f.chain)
	order.PutUint32(b[20:], crc32.Update(seed, castagnoli, b[frameHead:]))
	sum := crc32.Update(seed, castagnoli, b[:frameSum])
	order.PutUint32(b[frameSum:], sum)
	return sum
}

// parseFrame reads the head of a frame. It says false if this is none.
func parseFrame(b []byte, seed uint32) (f frame, ok bool) {
	if len(b) < frameHead || b[0] != kindRecord && b[0] != kindMark {
		return f, false
	}
	f.sum = order.Uint32(b[frameSum:])
	if crc32.Update(seed, castagnoli, b[:frameSum]) != f.sum {
		return f, false
	}
	f.kind = b[0]
	f.length = int(order.Uint32(b) & RecordMost)
	f.behind = order.Uint32(b[4:])
	f.index = order.Uint64(b[8:])
	f.chain = order.Uint32(b[16:])
	f.payload = order.Uint32(b[20:])
	return f, true
}

// body gives the payload of a frame that begins b; false if it is not whole.
func (f *frame) body(b []byte, seed uint32) ([]byte, bool) {
	size := frameSize(f.length)
	if size > len(b) || crc32.Update(seed, castagnoli, b[frameHead:size]) != f.payload {
		return nil, false
	}
	return b[frameHead : frameHead+f.length : frameHead+f.length], true
}

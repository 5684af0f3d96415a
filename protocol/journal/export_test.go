package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// The formats' sizes, for tests that damage files at a place.
const (
	HeadSize  = headSize
	FrameHead = frameHead
)

// FrameSize is the size of a frame with a payload of n bytes.
func FrameSize(n int) int { return frameSize(n) }

// Reseal makes the sums of a segment right, so that fuzzing comes behind them.
func Reseal(b []byte) {
	if len(b) < headSize {
		return
	}
	sum := crc32.Checksum(b[:headEnd], castagnoli)
	binary.BigEndian.PutUint32(b[headSum:], sum)
	seed := seedOf(sum)
	for at := headSize; at+frameHead <= len(b); {
		size := frameSize(int(order.Uint32(b[at:]) & RecordMost))
		if at+size > len(b) || b[at] == 0 {
			return
		}
		f := frame{
			kind: b[at], length: int(order.Uint32(b[at:]) & RecordMost), behind: order.Uint32(b[at+4:]),
			index: order.Uint64(b[at+8:]), chain: order.Uint32(b[at+16:]),
		}
		f.seal(b[at:at+size], seed)
		at += size
	}
}

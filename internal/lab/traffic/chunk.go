package traffic

import "encoding/binary"

// A chunk is what the server sends on a long transfer, chunkSize bytes: the flow's
// number (4 bytes), a zero (4), the chunk's number counted from 0 (8), the time of its
// sending (8: nanoseconds since the load's start), and bytes that follow from the
// numbers. Integers are big-endian.
const chunkHead = 24

func putChunk(b []byte, flow uint32, number uint64, sent int64) {
	binary.BigEndian.PutUint32(b, flow)
	binary.BigEndian.PutUint32(b[4:], 0)
	binary.BigEndian.PutUint64(b[8:], number)
	binary.BigEndian.PutUint64(b[16:], uint64(sent))
	for i := chunkHead; i < chunkSize; i++ {
		b[i] = filler(flow, number, i)
	}
}

// checkChunk says when a chunk was sent, and whether it is the one that is due.
func checkChunk(b []byte, flow uint32, number uint64) (sent int64, ok bool) {
	if binary.BigEndian.Uint32(b) != flow || binary.BigEndian.Uint32(b[4:]) != 0 || binary.BigEndian.Uint64(b[8:]) != number {
		return 0, false
	}
	for i := chunkHead; i < chunkSize; i++ {
		if b[i] != filler(flow, number, i) {
			return 0, false
		}
	}
	return int64(binary.BigEndian.Uint64(b[16:])), true
}

func filler(flow uint32, number uint64, i int) byte {
	return byte(uint64(flow)*31 + number*7 + uint64(i))
}

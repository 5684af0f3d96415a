package traffic

import "testing"

func TestChunk(t *testing.T) {
	var b [chunkSize]byte
	putChunk(b[:], 7, 1<<40, 99)
	if sent, ok := checkChunk(b[:], 7, 1<<40); !ok || sent != 99 {
		t.Fatalf("what was put does not check: %d, %v", sent, ok)
	}
	if _, ok := checkChunk(b[:], 8, 1<<40); ok {
		t.Error("a chunk of another flow was taken")
	}
	if _, ok := checkChunk(b[:], 7, 1<<40+1); ok {
		t.Error("a chunk that is not due was taken")
	}
	for i := range b {
		if i >= 16 && i < chunkHead {
			continue // the time may be any
		}
		b[i] ^= 0x10
		if _, ok := checkChunk(b[:], 7, 1<<40); ok {
			t.Errorf("a chunk with byte %d changed was taken", i)
		}
		b[i] ^= 0x10
	}
}

package session

import (
	"encoding/binary"
	"math/bits"
)

// The constants are the primes of xxHash; any odd numbers without a pattern would do.
const (
	digestP = 0x9e3779b185ebca87
	digestQ = 0xc2b2ae3d27d4eb4f
	digestS = 0x27d4eb2f165667c5
)

// fold takes a word into a digest. For each word it is one to one, so that digests that differ
// stay different.
func fold(h, w uint64) uint64 { return bits.RotateLeft64(h+w*digestQ, 31) * digestP }

// last spreads what the last words changed over all bits.
func last(h uint64) uint64 {
	h = (h ^ h>>29) * digestP
	return h ^ h>>32
}

// mix is the digest of some words in their order.
func mix(words ...uint64) uint64 {
	h := uint64(digestS)
	for _, w := range words {
		h = fold(h, w)
	}
	return last(h)
}

// sum is the digest of bytes.
func sum(b []byte) uint64 {
	h := digestS + uint64(len(b))
	for ; len(b) >= 8; b = b[8:] {
		h = fold(h, binary.LittleEndian.Uint64(b))
	}
	if len(b) > 0 {
		var rest [8]byte
		copy(rest[:], b)
		h = fold(h, binary.LittleEndian.Uint64(rest[:]))
	}
	return last(h)
}

package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// order is the order of bytes in numbers.
var order = binary.BigEndian

// castagnoli is the polynomial of every sum.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	headSize        = 48
	version         = 1
	segmentMagic    = "HOLDFSEG"
	snapshotMagic   = "HOLDFSNP"
	headSum         = 44 // where the head's sum stands
	headEnd         = headSum
	saltMultiplier  = 0x9e3779b97f4a7c15
	saltMultiplierB = 0xbf58476d1ce4e5b9
)

// head is the beginning of a file.
type head struct {
	version uint16
	member  view.ID
	cluster uint32
	place   place
	salt    uint64
	chain   uint32
}

// append appends the 48 bytes and gives the seed of the file's sums.
func (h head) append(dst []byte, magic string) (b []byte, seed uint32) {
	at := len(dst)
	dst = append(dst, magic...)
	dst = order.AppendUint16(dst, h.version)
	dst = order.AppendUint16(dst, uint16(h.member))
	dst = order.AppendUint32(dst, h.cluster)
	dst = order.AppendUint64(dst, h.place.era)
	dst = order.AppendUint64(dst, h.place.index)
	dst = order.AppendUint64(dst, h.salt)
	dst = order.AppendUint32(dst, h.chain)
	sum := crc32.Checksum(dst[at:], castagnoli)
	return order.AppendUint32(dst, sum), seedOf(sum)
}

// seedOf is the seed of a file whose head has a sum.
func seedOf(sum uint32) uint32 {
	if canary == BlindChain {
		return 0
	}
	return sum
}

// parseHead reads the head of a file that has a name, and judges whether it is ours.
func (c *Config) parseHead(b []byte, name, magic string, p place) (h head, seed uint32, refusal *Refusal) {
	refuse := func(r Reason, offset int64, problem, remedy string) (head, uint32, *Refusal) {
		return head{}, 0, &Refusal{Reason: r, File: name, Offset: offset, Problem: problem, Remedy: remedy}
	}
	if len(b) < headSize {
		return refuse(Damaged, int64(len(b)), fmt.Sprintf("the file ends within its head, which has %d bytes", headSize), remedyDamage)
	}
	sum := order.Uint32(b[headSum:])
	if string(b[:8]) != magic || crc32.Checksum(b[:headEnd], castagnoli) != sum {
		return refuse(Damaged, 0, "the checksum of the file's head is wrong", remedyDamage)
	}
	h = head{
		version: order.Uint16(b[8:]), member: view.ID(order.Uint16(b[10:])), cluster: order.Uint32(b[12:]),
		place: place{order.Uint64(b[16:]), order.Uint64(b[24:])}, salt: order.Uint64(b[32:]), chain: order.Uint32(b[40:]),
	}
	switch {
	case h.version != version:
		return refuse(LaterVersion, 8, fmt.Sprintf("the journal has version %d, this program knows version %d", h.version, version), remedyLater)
	case h.cluster != c.Cluster:
		return refuse(ForeignCluster, 12, fmt.Sprintf("the journal is of the cluster with the fingerprint %08x, this one has %08x", h.cluster, c.Cluster), remedyOwner)
	case h.member != c.Member:
		return refuse(ForeignMember, 10, fmt.Sprintf("the journal is of member %v, this is member %v", h.member, c.Member), remedyOwner)
	case h.place != p:
		return refuse(Damaged, 16, fmt.Sprintf("the head says era %d, record %d; the file's name says otherwise", h.place.era, h.place.index), remedyDamage)
	}
	return h, seedOf(sum), nil
}

// mix makes another salt for each file of a life: half a round of SplitMix64, which gives no
// two numbers the same salt.
func mix(salt, n uint64) uint64 {
	z := salt + n*saltMultiplier
	z = (z ^ z>>30) * saltMultiplierB
	return z ^ z>>31
}

// Package wire is the form in which machines of different members talk: a versioned
// frame with a checksum, a bounded reader and an append-style writer.
//
// A frame is what one machine hands to its driver and what the driver hands to the
// same machine of another member. It says which machine it is for, which version and
// features its reader must know, and which cluster and configuration its writer
// belongs to. Who sent it, and in which life, is known from the transport (in a
// daemon from the authenticated envelope of docs/rfc/0002-envelope.md).
//
//	offset size
//	     0    1  version, 1
//	     1    1  channel: the machine this frame is for
//	     2    2  features the reader must know, one bit each
//	     4    4  fingerprint of the cluster's name and shared configuration
//	     8    4  CRC-32C over the whole frame, these four bytes taken as zero
//	    12    …  the machine's own message
//
// All numbers are big endian. Every byte is hostile until [Open] has returned [OK];
// the payload stays hostile after that: a machine reads it with a [Reader], which
// never panics and never reads past the end.
//
// The format is fixed by docs/rfc/0001-frame.md.
package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// Version is the frame version this code writes and the only one it reads.
const Version = 1

// HeaderSize is the size of a frame's header in bytes.
const HeaderSize = 12

// FrameMax is the largest frame in bytes. It leaves room for the envelope and for
// IPv6 and UDP headers in an Ethernet MTU of 1500.
const FrameMax = 1400

// Features is the set of optional features this code knows. None exists yet.
const Features uint16 = 0

// Channel names the machine a frame is for.
type Channel uint8

// The channels. Zero is never sent.
const (
	Takeover     Channel = 1  // protocol/takeover
	StateProxy   Channel = 2  // protocol/replica/stateproxy
	Identify     Channel = 3  // protocol/stack: names, so that a refusal can be by name
	Detect       Channel = 4  // protocol/detect
	Group        Channel = 5  // protocol/group
	Cast         Channel = 6  // protocol/cast
	Transfer     Channel = 7  // protocol/transfer
	Call         Channel = 8  // protocol/session: a client and a member
	Pair         Channel = 9  // protocol/replica/pair
	Checkpointed Channel = 10 // protocol/replica/checkpointed
	Duo          Channel = 12 // protocol/stack/duo
)

// Header is what a frame says about itself.
type Header struct {
	Channel     Channel
	Features    uint16 // that the reader must know
	Fingerprint uint32 // of the cluster's name and shared configuration
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Begin appends a frame's header to dst. The message is appended after it, and
// [Finish] then seals the whole.
func Begin(dst []byte, h Header) []byte {
	dst = append(dst, Version, byte(h.Channel))
	dst = binary.BigEndian.AppendUint16(dst, h.Features)
	dst = binary.BigEndian.AppendUint32(dst, h.Fingerprint)
	return append(dst, 0, 0, 0, 0)
}

// Finish writes the checksum of a frame that [Begin] started. frame must be the
// frame alone, from its first byte to its last.
func Finish(frame []byte) {
	binary.BigEndian.PutUint32(frame[8:12], checksum(frame))
}

// Open checks a frame and returns its header and payload. The payload aliases frame.
// The fingerprint is not judged here: a foreign frame must be readable to be refused
// by name.
func Open(frame []byte) (Header, []byte, Reason) {
	if len(frame) < HeaderSize {
		return Header{}, nil, Short
	}
	if frame[0] != Version {
		return Header{}, nil, WrongVersion
	}
	if len(frame) > FrameMax {
		return Header{}, nil, Long
	}
	if binary.BigEndian.Uint32(frame[8:12]) != checksum(frame) {
		return Header{}, nil, BadChecksum
	}
	h := Header{
		Channel:     Channel(frame[1]),
		Features:    binary.BigEndian.Uint16(frame[2:4]),
		Fingerprint: binary.BigEndian.Uint32(frame[4:8]),
	}
	if h.Features&^Features != 0 {
		return h, nil, UnknownFeature
	}
	return h, frame[HeaderSize:], OK
}

// checksum is the CRC-32C of a frame whose checksum bytes count as zero. The header's part
// is taken byte by byte, so that a frame being read is never written to: a call for each
// of so short parts would take longer.
func checksum(frame []byte) uint32 {
	c := ^uint32(0)
	for _, b := range frame[:8] {
		c = castagnoli[byte(c)^b] ^ c>>8
	}
	for range 4 {
		c = castagnoli[byte(c)] ^ c>>8
	}
	return crc32.Update(^c, castagnoli, frame[HeaderSize:])
}

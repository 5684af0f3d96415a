package lock

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Digest is the sum of what stands for each lock, each owner and each waiter, moved along
// with every change, of the counter and the window, and of the settings: replicas that
// are set differently are found as if they had diverged.
func (s *Service) Digest() uint64 {
	s.scratch = s.appendBase(s.scratch[:0])
	return s.sum + xxhash.Sum64(s.scratch)
}

// appendBase appends what the state is beside its locks.
func (s *Service) appendBase(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, s.floor)
	dst = binary.BigEndian.AppendUint64(dst, s.number)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.until))
	dst = append(dst, byte(s.order))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.window))
	return binary.BigEndian.AppendUint64(dst, uint64(s.leaseMost))
}

// weighLock puts what stands for a lock into the sum, in place of what stood before.
func (s *Service) weighLock(l *lock) {
	s.scratch = appendLock(s.scratch[:0], l)
	s.sum -= l.sum
	l.sum = xxhash.Sum64(s.scratch)
	s.sum += l.sum
}

// weighEntry does the same for an owner or a waiter.
func (s *Service) weighEntry(e *entry) {
	s.scratch = binary.BigEndian.AppendUint64(s.scratch[:0], e.lock.hash)
	if e.owner && canary != DigestBlind {
		s.scratch = append(s.scratch, 1)
	} else {
		s.scratch = append(s.scratch, 0)
	}
	s.scratch = appendSeat(s.scratch, e)
	s.sum -= e.sum
	e.sum = xxhash.Sum64(s.scratch)
	s.sum += e.sum
}

// appendLock appends a lock without its owners and waiters.
func appendLock(dst []byte, l *lock) []byte {
	dst = wire.AppendBlock(dst, l.name)
	dst = append(dst, byte(l.order))
	dst = binary.AppendUvarint(dst, uint64(l.overtaken))
	dst = binary.BigEndian.AppendUint64(dst, l.barrier)
	return appendBreaking(dst, &l.broken)
}

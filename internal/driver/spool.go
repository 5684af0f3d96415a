package driver

import (
	"fmt"
	"io"
	"os"
)

// spool keeps a snapshot: its beginning in memory, the rest in a file without a name.
type spool struct {
	memory []byte
	file   *os.File // what is beyond memory; nil if nothing is
	size   uint64
}

// Write appends to the snapshot.
func (s *spool) Write(p []byte) (int, error) {
	n := min(len(p), spoolMemory-len(s.memory))
	s.memory = append(s.memory, p[:n]...)
	s.size += uint64(n)
	if n == len(p) {
		return n, nil
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "holdfast-state-*")
		if err != nil {
			return n, fmt.Errorf("a snapshot of more than %d bytes needs a temporary file; set TMPDIR to where there is room: %w", spoolMemory, err)
		}
		_ = os.Remove(f.Name()) // the descriptor keeps it
		s.file = f
	}
	m, err := s.file.Write(p[n:])
	s.size += uint64(m)
	return n + m, err
}

// read reads from an offset, at most into p, and says whether that was the end.
func (s *spool) read(p []byte, offset uint64) (n int, last bool, err error) {
	if offset > s.size {
		return 0, false, io.ErrUnexpectedEOF
	}
	p = p[:min(uint64(len(p)), s.size-offset)]
	if offset < uint64(len(s.memory)) {
		n = copy(p, s.memory[offset:])
	}
	if n < len(p) {
		m, err := s.file.ReadAt(p[n:], int64(offset)+int64(n)-int64(len(s.memory)))
		n += m
		if err != nil {
			return n, false, err
		}
	}
	return n, offset+uint64(n) == s.size, nil
}

// close lets go of the snapshot. A nil spool has none.
func (s *spool) close() {
	if s != nil && s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
}

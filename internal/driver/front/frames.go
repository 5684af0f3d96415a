package front

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// errLong is the end of a connection over which a request is announced that is too long.
var errLong = errors.New("the request is too long")

// headSize is of the length before each request.
const headSize = 4

// stream is what requests are read from.
type stream interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// frames cuts what a client sends into requests. What memory it takes follows what came, not
// what was announced.
type frames struct {
	from stream
	r    *bufio.Reader
	most int           // bytes of a request
	room chan struct{} // held while a long request is read and served
	stop chan struct{} // closed: nobody waits for room any more

	buf     []byte // of long requests
	inPlace int    // bytes of the last request, which are in r still
	holds   bool   // room
	limited bool   // there is a deadline
}

func newFrames(from stream, most int, room, stop chan struct{}) *frames {
	return &frames{from: from, r: bufio.NewReaderSize(from, readerSize), most: most, room: room, stop: stop}
}

// next gives the next request, which is valid until the next call. The error is io.EOF if the client went
// between two requests.
func (s *frames) next() ([]byte, error) {
	s.done()
	if _, err := s.r.Peek(1); err != nil {
		return nil, err // a client may be silent for as long as it likes
	}
	head, err := s.peek(headSize)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	switch {
	case int64(n) > int64(s.most):
		return nil, errLong
	case headSize+int(n) <= s.r.Size():
		b, err := s.peek(headSize + int(n))
		if err != nil {
			return nil, err
		}
		s.inPlace = len(b)
		return b[headSize:], s.unlimit()
	}
	return s.long(int(n))
}

// done ends what belonged to the last request.
func (s *frames) done() {
	_, _ = s.r.Discard(s.inPlace) // it is in the buffer
	s.inPlace = 0
	if cap(s.buf) > keptMax {
		s.buf = nil
	}
	if s.holds {
		<-s.room
		s.holds = false
	}
}

// peek waits for so many bytes, which fit into the buffer.
func (s *frames) peek(n int) ([]byte, error) {
	if s.r.Buffered() < n {
		s.limit()
	}
	b, err := s.r.Peek(n)
	return b, unexpected(err)
}

// unexpected is an error in the middle of a request.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// long reads a request that does not fit into the buffer.
func (s *frames) long(n int) ([]byte, error) {
	select {
	case s.room <- struct{}{}:
		s.holds = true
	case <-s.stop:
		return nil, io.ErrClosedPipe
	}
	s.limited = false // waiting for room was not the client's fault
	s.limit()
	_, _ = s.r.Discard(headSize)
	s.buf = s.buf[:0]
	for have := 0; have < n; have = len(s.buf) {
		size := min(n, max(2*have, pieceSize))
		if cap(s.buf) < size {
			s.buf = append(make([]byte, 0, size), s.buf...)
		}
		s.buf = s.buf[:size]
		if _, err := io.ReadFull(s.r, s.buf[have:]); err != nil {
			return nil, unexpected(err)
		}
	}
	return s.buf, s.unlimit()
}

// limit says that the request has begun, and has to end.
func (s *frames) limit() {
	if !s.limited {
		s.limited = true
		_ = s.from.SetReadDeadline(time.Now().Add(requestMost)) // a connection that is closed says so when it is read
	}
}

// unlimit says that it has ended.
func (s *frames) unlimit() error {
	if !s.limited {
		return nil
	}
	s.limited = false
	return s.from.SetReadDeadline(time.Time{})
}

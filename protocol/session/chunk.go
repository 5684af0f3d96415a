package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// castagnoli is the polynomial of a snapshot's checksums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chunkHead is the size of a chunk's length and checksum.
const chunkHead = 8

// chunkWriter cuts what is written into chunks, each with the checksum of all so far.
type chunkWriter struct {
	w   io.Writer
	sum uint32
	buf []byte // head and the chunk that grows
	err error
}

func newChunkWriter(w io.Writer) *chunkWriter {
	return &chunkWriter{w: w, buf: make([]byte, chunkHead, chunkHead+chunkSize)}
}

// Write takes bytes. An error is that of the writer beneath, and stays.
func (c *chunkWriter) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 && c.err == nil {
		part := min(len(p), chunkHead+chunkSize-len(c.buf))
		c.buf = append(c.buf, p[:part]...)
		p, n = p[part:], n+part
		if len(c.buf) == cap(c.buf) {
			c.flush()
		}
	}
	return n, c.err
}

func (c *chunkWriter) flush() {
	binary.BigEndian.PutUint32(c.buf, uint32(len(c.buf)-chunkHead))
	c.sum = crc32.Update(c.sum, castagnoli, c.buf[:4])
	c.sum = crc32.Update(c.sum, castagnoli, c.buf[chunkHead:])
	binary.BigEndian.PutUint32(c.buf[4:], c.sum)
	if c.err == nil {
		_, c.err = c.w.Write(c.buf)
	}
	c.buf = c.buf[:chunkHead]
}

// end marks the end of a part.
func (c *chunkWriter) end() error {
	if len(c.buf) > chunkHead {
		c.flush()
	}
	c.flush()
	return c.err
}

// chunkReader reads the chunks of one part, and none that is damaged.
type chunkReader struct {
	r    io.Reader
	sum  uint32
	at   int64 // bytes of the snapshot read
	buf  []byte
	rest []byte // of the chunk
	over bool   // the part has ended
	err  error
}

// Read gives bytes that were checked; io.EOF at the end of the part.
func (c *chunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.rest) == 0 && !c.over && c.err == nil {
		c.fill()
	}
	if c.err != nil {
		return 0, c.err
	}
	if c.over {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// fill reads the next chunk.
func (c *chunkReader) fill() {
	var head [chunkHead]byte
	if !c.read(head[:]) {
		return
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > chunkSize {
		c.err = fmt.Errorf("%w: at byte %d a chunk has %d bytes; at most %d are allowed", ErrSnapshot, c.at-chunkHead, size, chunkSize)
		return
	}
	if c.buf == nil {
		c.buf = make([]byte, chunkSize)
	}
	body := c.buf[:size]
	if !c.read(body) {
		return
	}
	c.sum = crc32.Update(c.sum, castagnoli, head[:4])
	c.sum = crc32.Update(c.sum, castagnoli, body)
	if told := binary.BigEndian.Uint32(head[4:]); told != c.sum {
		c.err = fmt.Errorf("%w: the checksum before byte %d is %08x and should be %08x", ErrSnapshot, c.at, told, c.sum)
		return
	}
	c.rest, c.over = body, size == 0
}

// read fills p from the reader beneath.
func (c *chunkReader) read(p []byte) bool {
	n, err := io.ReadFull(c.r, p)
	c.at += int64(n)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		c.err = fmt.Errorf("%w: it is cut off at byte %d", ErrSnapshot, c.at)
	case err != nil:
		c.err = err
	}
	return err == nil
}

// ended says whether a part has been read to its end, reading its mark if need be.
func (c *chunkReader) ended() error {
	var one [1]byte
	n, err := c.Read(one[:])
	switch {
	case n > 0:
		return fmt.Errorf("%w: there is more before byte %d than was read", ErrSnapshot, c.at)
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// next goes to the next part.
func (c *chunkReader) next() { c.over = false }

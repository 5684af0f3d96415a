package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// ErrSnapshot is what Restore's errors wrap when the bytes are no whole and undamaged snapshot.
var ErrSnapshot = errors.New("session: not a sound snapshot")

// ErrChanged is what Snapshot gives when the service's state is not the one that its last command has left: memory that is
// damaged, or something that changes it and is no command. Whoever were given it would seem to have what it has not.
var ErrChanged = errors.New("session: the service's state has changed since its last command")

// magic begins a snapshot; its last byte is the version.
const magic = "HFsess\x00\x01"

// clientSize is the size of a session's numbers.
const clientSize = 48

// Snapshot writes all of the executor. Equal executors write equal bytes, if equal services do.
// The error is the writer's or the service's.
func (e *Executor) Snapshot(w io.Writer) error {
	if e.broken {
		return errors.New("session: no snapshot after a Restore that failed; restore a sound one first")
	}
	if got := e.service.Digest(); e.known && got != e.left {
		return fmt.Errorf("%w, of index %d: its digest is %016x and was %016x; restart this member", ErrChanged, e.index, got, e.left)
	}
	out := newChunkWriter(w)
	b := append(make([]byte, 0, 256), magic...)
	for _, v := range [...]uint64{e.index, uint64(e.at), e.chain, uint64(e.table.given), e.service.Digest(), e.table.Digest()} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.table.order)))
	out.Write(b)
	for _, c := range e.table.order {
		c.write(out, b[:0])
	}
	if err := out.end(); err != nil {
		return fmt.Errorf("session: writing a snapshot's table: %w", err)
	}
	if err := e.service.Snapshot(out); err != nil {
		return fmt.Errorf("session: writing a snapshot's service: %w", err)
	}
	if err := out.end(); err != nil {
		return fmt.Errorf("session: writing a snapshot's service: %w", err)
	}
	return nil
}

// write writes a session, with b's room.
func (c *client) write(out *chunkWriter, b []byte) {
	for _, v := range [...]uint64{uint64(c.id), c.nonce, uint64(c.lease), uint64(c.last), c.index, c.kept.acked} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = append(b, byte(len(c.label)))
	b = append(b, c.label...)
	b = binary.BigEndian.AppendUint16(b, uint16(c.kept.count))
	out.Write(b)
	for n, left := c.kept.acked+1, c.kept.count; left > 0; n++ {
		s := c.kept.find(n)
		if s == nil {
			continue
		}
		left--
		b = binary.BigEndian.AppendUint64(b[:0], n)
		b = binary.BigEndian.AppendUint32(b, uint32(len(s.reply)))
		out.Write(b)
		out.Write(s.reply)
	}
}

// head is what a snapshot says of the whole.
type head struct {
	index, at, chain, given, service, table uint64
	sessions                                int
}

// Restore reads a snapshot in place of the present state. An error says what is wrong with it, and where; if it
// is of the snapshot's bytes it wraps [ErrSnapshot]. If the table was sound and the service's part was not, the
// state is lost, and the executor good for nothing but another Restore.
func (e *Executor) Restore(r io.Reader) error {
	in := &chunkReader{r: r}
	h, err := readHead(in)
	if err != nil {
		return err
	}
	table := newTable()
	for i := range h.sessions {
		c, err := readClient(in, h, table)
		if err != nil {
			return fmt.Errorf("%w (the %d. session of %d)", err, i+1, h.sessions)
		}
		table.add(c)
	}
	table.given = ID(h.given)
	table.relink()
	if err := in.ended(); err != nil {
		return err
	}
	if got := table.Digest(); got != h.table && canary != LostTable {
		return fmt.Errorf("%w: the table's digest is %016x and should be %016x", ErrSnapshot, got, h.table)
	}
	in.next()
	e.broken = true
	if err := e.service.Restore(in); err != nil {
		if in.err != nil {
			err = in.err // what the service made of it says less
		}
		return fmt.Errorf("session: restoring the service: %w", err)
	}
	if err := in.ended(); err != nil {
		return err
	}
	if got := e.service.Digest(); got != h.service {
		return fmt.Errorf("%w: the service's digest is %016x and should be %016x", ErrSnapshot, got, h.service)
	}
	e.broken = false
	e.left, e.known = h.service, true
	e.table, e.at, e.index, e.chain = table, time.Duration(h.at), h.index, h.chain
	e.first = h.index
	e.digests[h.index%digestsMax] = h.chain
	return nil
}

// readHead reads the head.
func readHead(in *chunkReader) (h head, err error) {
	var b [len(magic) + 6*8 + 4]byte
	if err := fill(in, b[:]); err != nil {
		return h, err
	}
	f := wire.NewReader(b[:])
	if got := f.Bytes(len(magic)); string(got) != magic {
		return h, fmt.Errorf("%w: it begins with %q and should with %q", ErrSnapshot, got, magic)
	}
	h.index, h.at, h.chain, h.given = f.U64(), f.U64(), f.U64(), f.U64()
	h.service, h.table = f.U64(), f.U64()
	sessions := f.U32()
	if h.at > atMax {
		return h, fmt.Errorf("%w: the agreed time %d ns is beyond %d", ErrSnapshot, h.at, int64(atMax))
	}
	if sessions > sessionsMax || uint64(sessions) > h.given {
		return h, fmt.Errorf("%w: it has %d sessions of %d that were opened; at most %d are allowed", ErrSnapshot, sessions, h.given, sessionsMax)
	}
	h.sessions = int(sessions)
	return h, nil
}

// fill reads exactly as much as b is long.
func fill(in *chunkReader, b []byte) error {
	_, err := io.ReadFull(in, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: its part before byte %d ends too early", ErrSnapshot, in.at)
	}
	return err
}

// readClient reads a session that comes after those in the table.
func readClient(in *chunkReader, h head, t *Table) (*client, error) {
	var b [clientSize + 1 + LabelMax + 2]byte
	if err := fill(in, b[:clientSize+1]); err != nil {
		return nil, err
	}
	label := int(b[clientSize])
	if label > LabelMax {
		return nil, fmt.Errorf("%w: a label of %d bytes; at most %d are allowed", ErrSnapshot, label, LabelMax)
	}
	if err := fill(in, b[clientSize+1:clientSize+1+label+2]); err != nil {
		return nil, err
	}
	f := wire.NewReader(b[:])
	c := &client{id: ID(f.U64()), nonce: f.U64(), lease: time.Duration(f.U64()), last: time.Duration(f.U64()), index: f.U64()}
	c.kept.acked = f.U64()
	f.U8()
	c.label = append(c.label, f.Bytes(label)...)
	count := int(f.U16())
	c.opened = c.last
	if err := c.check(h, t); err != nil {
		return nil, err
	}
	if count > Window {
		return nil, fmt.Errorf("%w: %d replies are kept; at most %d are allowed", ErrSnapshot, count, Window)
	}
	before := c.kept.acked
	for range count {
		number, err := c.readKept(in, before, t.bytes)
		if err != nil {
			return nil, err
		}
		before = number
	}
	return c, nil
}

// check says what a session cannot be.
func (c *client) check(h head, t *Table) error {
	switch n := len(t.order); {
	case c.id == 0 || n > 0 && c.id <= t.order[n-1].id || uint64(c.id) > h.given:
		return fmt.Errorf("%w: its ID %d is not between the former and the greatest given, %d", ErrSnapshot, c.id, h.given)
	case c.nonce == 0 || t.byNonce[c.nonce] != nil:
		return fmt.Errorf("%w: its nonce %016x is zero or another's", ErrSnapshot, c.nonce)
	case c.lease < LeaseMin || c.lease > LeaseMax:
		return fmt.Errorf("%w: its lease of %d ns is not between %v and %v", ErrSnapshot, int64(c.lease), LeaseMin, LeaseMax)
	case c.last < 0 || uint64(c.last) > h.at || uint64(c.end()) <= h.at:
		return fmt.Errorf("%w: it was renewed at %d ns and cannot be there at %d ns", ErrSnapshot, int64(c.last), h.at)
	case c.index == 0 || c.index > h.index:
		return fmt.Errorf("%w: it was renewed by command %d of %d", ErrSnapshot, c.index, h.index)
	case !utf8.Valid(c.label):
		return fmt.Errorf("%w: its label %q is not UTF-8", ErrSnapshot, c.label)
	}
	return nil
}

// readKept reads a kept reply whose number comes after another. others are the bytes of those of other
// sessions.
func (c *client) readKept(in *chunkReader, before uint64, others int) (uint64, error) {
	var b [12]byte
	if err := fill(in, b[:]); err != nil {
		return 0, err
	}
	number, size := binary.BigEndian.Uint64(b[:]), int(binary.BigEndian.Uint32(b[8:]))
	switch {
	case number <= before || number-c.kept.acked > Window:
		return 0, fmt.Errorf("%w: a reply to %d after one to %d, acknowledged %d", ErrSnapshot, number, before, c.kept.acked)
	case size < replyHead || size > ReplyMax:
		return 0, fmt.Errorf("%w: a reply of %d bytes; %d to %d are allowed", ErrSnapshot, size, replyHead, ReplyMax)
	case c.kept.bytes >= keptMax || others+c.kept.bytes >= keptAll:
		return 0, fmt.Errorf("%w: replies of more than %d bytes, %d in all", ErrSnapshot, keptMax, keptAll)
	}
	reply := make([]byte, size)
	if err := fill(in, reply); err != nil {
		return 0, err
	}
	r, why := ParseReply(reply)
	if why != wire.OK || r.Session != c.id || r.Number != number || r.Nonce != c.nonce {
		return 0, fmt.Errorf("%w: the reply to %d is none of this session", ErrSnapshot, number)
	}
	if canary != LostTable {
		c.kept.put(number, reply, sum(reply), reply)
	}
	return number, nil
}

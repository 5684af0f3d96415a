package lock

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// The beginning of a snapshot.
const (
	magic   = "HFLK"
	version = 1
)

// chunk is about how many bytes are written at a time.
const chunk = 64 << 10

// Snapshot writes the state, as docs/rfc/0015-lock.md has it. Equal states are equal bytes.
func (s *Service) Snapshot(w io.Writer) error {
	b := s.appendBase(append([]byte(magic), version))
	b = binary.AppendUvarint(b, uint64(len(s.all)))
	byName := slices.Clone(s.all)
	slices.SortFunc(byName, compareLocks)
	for _, l := range byName {
		b = appendLock(b, l)
		for _, part := range []*list{&l.owners, &l.waiters} {
			b = binary.AppendUvarint(b, uint64(part.n))
			for e := part.head; e != nil; e = e.next {
				b = appendSeat(b, e)
				if len(b) < chunk {
					continue
				}
				if _, err := w.Write(b); err != nil {
					return fmt.Errorf("lock: write the snapshot: %w", err)
				}
				b = b[:0]
			}
		}
	}
	if _, err := w.Write(binary.BigEndian.AppendUint64(b, s.Digest())); err != nil {
		return fmt.Errorf("lock: write the snapshot: %w", err)
	}
	return nil
}

// Restore reads a state in place of the present one, which stays as it is if that
// cannot be: the error says why, and where. The service must be set as that of the snapshot was.
func (s *Service) Restore(r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, snapshotMax+1))
	if err != nil {
		return fmt.Errorf("lock: read the snapshot: %w", err)
	}
	if len(data) > snapshotMax {
		return fmt.Errorf("lock: the snapshot is longer than %d bytes: it is none of this service", snapshotMax)
	}
	fresh := &Service{window: s.window, leaseMost: s.leaseMost, order: s.order, locks: map[uint64]*lock{}, clients: map[session.ID]*client{}}
	in := restorer{s: fresh, r: wire.NewReader(data)}
	if why := in.read(); why != "" {
		return fmt.Errorf("lock: the snapshot is not one of this lock service, %d bytes before its end: %s", in.r.Len(), why)
	}
	if *s = *fresh; canary == Rewound {
		s.number = s.floor
	}
	return nil
}

// restorer reads a snapshot.
type restorer struct {
	s   *Service
	r   wire.Reader
	req request
}

// read reads everything and says what is wrong; "" if nothing is.
func (in *restorer) read() string {
	s, r := in.s, &in.r
	if string(r.Bytes(len(magic))) != magic {
		return "it does not begin with " + magic
	}
	if v := r.U8(); v != version {
		return fmt.Sprintf("it has version %d, and this program knows %d", v, version)
	}
	s.floor, s.number, s.until = r.U64(), r.U64(), time.Duration(r.U64())
	set := Service{order: Order(r.U8()), window: time.Duration(r.U64()), leaseMost: time.Duration(r.U64())}
	if r.Failed() {
		return "it ends early"
	}
	if theirs, ours := set.Terms(), s.Terms(); theirs != ours {
		return fmt.Sprintf("the service is set to %s, and that of the snapshot to %s: set all members alike, and as the state that is to be kept", ours, theirs)
	}
	if s.number < s.floor || s.until < 0 || s.number > 1<<63 {
		return "its numbers cannot be"
	}
	n := r.Uvarint()
	if n > EntriesMax+brokenMax {
		return fmt.Sprintf("it has %d locks, at most %d are possible", n, EntriesMax+brokenMax)
	}
	var last []byte
	for range n {
		l, why := in.lock(last)
		if why != "" {
			return why
		}
		if last = l.name; l.broken.number != 0 {
			s.broken = append(s.broken, l)
		}
	}
	slices.SortFunc(s.broken, func(a, b *lock) int { return cmp.Compare(a.broken.number, b.broken.number) })
	for i, l := range s.broken {
		if i >= brokenMax || i > 0 && l.broken.number == s.broken[i-1].broken.number {
			return fmt.Sprintf("it cannot have been broken what is said to have been broken: lock %q", l.name)
		}
	}
	if digest := r.U64(); !r.Done() {
		return "it ends early, or late"
	} else if own := s.Digest(); digest != own {
		return fmt.Sprintf("its digest is %016x, and that of what it says %016x", digest, own)
	}
	return ""
}

// lock reads a lock with its owners and its queue.
func (in *restorer) lock(last []byte) (*lock, string) {
	s, r := in.s, &in.r
	in.req = request{kind: Enter, name: r.Block(NameMax)}
	if r.Failed() || in.req.check().status != 0 {
		return nil, "a lock's name cannot be"
	}
	if bytes.Compare(last, in.req.name) >= 0 {
		return nil, fmt.Sprintf("lock %q is not in order", in.req.name)
	}
	o := Order(r.U8())
	if o != Strict && o != Loose {
		return nil, fmt.Sprintf("the order of lock %q cannot be", in.req.name)
	}
	_, hash := s.lookup(in.req.name)
	l := s.addLock(in.req.name, hash, o)
	overtaken := r.Uvarint()
	l.overtaken, l.barrier = int(min(overtaken, OvertakesMax+1)), r.U64()
	if b := readBreaking(r); b.Number != 0 {
		l.broken = breaking{b.Number, b.At, []byte(b.By), []byte(b.Reason)}
	}
	s.weighLock(l)
	for _, owner := range []bool{true, false} {
		if why := in.seats(l, owner); why != "" {
			return nil, fmt.Sprintf("%s of lock %q", why, l.name)
		}
	}
	if r.Failed() {
		return nil, "it ends early"
	}
	if !in.sound(l, overtaken) {
		return nil, fmt.Sprintf("lock %q cannot be as it is", l.name)
	}
	return l, ""
}

// sound says whether a lock can be so.
func (in *restorer) sound(l *lock, overtaken uint64) bool {
	s := in.s
	switch {
	case overtaken > OvertakesMax, overtaken > 0 && (l.order == Strict || l.waiters.n == 0):
		return false
	case l.barrier > s.number, s.until == 0 && l.barrier != 0, l.broken.number > s.number:
		return false
	case l.unused() && l.broken.number == 0:
		return false
	}
	return s.until != 0 || l.waiters.n == 0 || !l.compatible(l.waiters.head.mode)
}

// seats reads the owners of a lock, or its queue.
func (in *restorer) seats(l *lock, owner bool) string {
	s, r := in.s, &in.r
	n := r.Uvarint()
	if n > EntriesMax-uint64(s.entries) || !owner && n > WaitersMax {
		return "there are too many owners or waiters"
	}
	for range n {
		id := session.ID(r.U64())
		in.req.mode = readMode(r)
		number, since := r.U64(), time.Duration(r.U64())
		in.req.label, in.req.purpose = r.Block(TextMax), r.Block(TextMax)
		part := &l.waiters
		if owner {
			part = &l.owners
		}
		switch {
		case r.Failed() || in.req.check().status != 0:
			return "an owner or a waiter cannot be read"
		case id == 0 || number == 0 || number > s.number || part.n > 0 && part.tail.number >= number:
			return "a number cannot be"
		case owner && !l.compatible(in.req.mode):
			return "the owners exclude each other"
		}
		c := s.begun(s.clients[id], id)
		if s.find(l, c) != nil || c.n >= SessionMax {
			return "a session is there too often"
		}
		s.add(l, c, &in.req, owner, number, since)
	}
	return ""
}

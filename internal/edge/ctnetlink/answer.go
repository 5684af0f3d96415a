package ctnetlink

import (
	"golang.org/x/sys/unix"
)

// Count gives the number of entries in the table and how many it may have
// (net.netfilter.nf_conntrack_count and nf_conntrack_max).
func (t *Table) Count() (entries, limit uint32, err error) {
	const op = "count"
	t.seq++
	t.out.b = t.out.b[:0]
	t.out.begin(messageStats, 0, t.seq, unix.AF_UNSPEC)
	t.out.end()
	t.out.acknowledge()
	if err := t.sock.send(t.out.b); err != nil {
		return 0, 0, opError(op, err)
	}
	errno, err := t.answers(t.seq, func(m message) {
		if m.kind != messageStats || m.seq != t.seq || len(m.payload) < genericSize {
			return
		}
		a := attrs{rest: m.payload[genericSize:]}
		for a.next() {
			switch a.kind {
			case statsEntries:
				entries = a.u32()
			case statsMax:
				limit = a.u32()
			}
		}
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return entries, limit, opError(op, err)
}

// answers reads what the kernel answered, up to and with the answer to the message
// numbered last, whose failure it gives as errno. All other messages go to fn. err is
// that of the socket.
func (t *Table) answers(last uint32, fn func(message)) (errno unix.Errno, err error) {
	for {
		size, failure := t.sock.receive(t.buffer)
		switch {
		case failure == unix.EINTR || size < 0:
			continue
		case failure == unix.EAGAIN || failure == unix.ENOBUFS:
			// The kernel answers before sendmsg returns; what is not here was lost.
			return 0, ErrSilent
		case failure != 0:
			return 0, failure
		case size > len(t.buffer):
			return 0, ErrTruncated
		}
		for rest := t.buffer[:size]; len(rest) > 0; {
			var m message
			var ok bool
			if m, rest, ok = nextMessage(rest); !ok {
				break
			}
			if m.kind == unix.NLMSG_ERROR && m.seq == last {
				code, _ := errnoOf(m.payload)
				return unix.Errno(code), nil
			}
			fn(m)
		}
	}
}

// drain throws away answers of a batch that was given up, so that the next one does
// not meet them.
func (t *Table) drain() {
	for {
		if _, errno := t.sock.receive(t.buffer); errno != 0 && errno != unix.EINTR && errno != unix.ENOBUFS {
			return
		}
	}
}

package ctnetlink

import (
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// Dump reads the whole table, one datagram (up to about 130 flows) at a time.
//
// The kernel walks its hash table without a snapshot: a flow that comes or goes
// meanwhile may be missed, and one may be seen twice. Who deletes because of a dump
// dumps twice first.
type Dump struct {
	sock        *socket
	seq         uint32
	running     bool
	interrupted bool
	malformed   uint64
	flow        flow.Flow
	buffer      []byte
	out         writer
}

// OpenDump prepares dumps of the calling thread's network namespace.
func OpenDump() (*Dump, error) {
	s, err := openSocket()
	if err != nil {
		return nil, opError("open dump", err)
	}
	return &Dump{sock: s, buffer: make([]byte, receiveMax), out: writer{b: make([]byte, 0, messageMax)}}, nil
}

// Close ends a dump that is running.
func (d *Dump) Close() error { return opError("close dump", d.sock.close()) }

// Malformed counts the entries that could not be read.
func (d *Dump) Malformed() uint64 { return d.malformed }

// Start begins a dump of one family (flow.IPv4, flow.IPv6) or of both (zero). A dump
// that is running is first read to its end, unseen.
func (d *Dump) Start(family uint8) error {
	for d.running {
		if _, err := d.Next(func(*flow.Flow) {}); err != nil && err != ErrInterrupted {
			return err
		}
	}
	d.seq++
	d.out.b = d.out.b[:0]
	d.out.begin(messageGet, unix.NLM_F_DUMP, d.seq, family)
	d.out.end()
	if err := d.sock.send(d.out.b); err != nil {
		return opError("start dump", err)
	}
	d.running, d.interrupted = true, false
	return nil
}

// Next takes one datagram and calls fn with each flow in it; fn must not keep the
// flow. It says whether there is more. The last call gives ErrInterrupted if entries
// may have been left out. Timeout and State of a flow that is offloaded to a flow
// table are not shown by the kernel; flow.Has says so.
func (d *Dump) Next(fn func(*flow.Flow)) (more bool, err error) {
	if !d.running {
		return false, nil
	}
	size, errno := d.sock.receive(d.buffer)
	switch {
	case again(errno):
		return true, nil // the kernel fills the next datagram when one is taken; not yet there
	case errno != 0:
		d.running = false
		return false, opError("dump", errno)
	case size > len(d.buffer):
		d.running = false
		return false, opError("dump", ErrTruncated)
	case size < 0:
		return true, nil
	}
	for rest := d.buffer[:size]; len(rest) > 0; {
		var m message
		var ok bool
		if m, rest, ok = nextMessage(rest); !ok {
			d.malformed++
			return true, nil
		}
		if m.seq != d.seq {
			continue
		}
		d.interrupted = d.interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
		switch m.kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			return false, d.done(m.payload)
		case messageNew:
			d.entry(m.payload, fn)
		}
	}
	return true, nil
}

func (d *Dump) done(payload []byte) error {
	d.running = false
	if errno, ok := errnoOf(payload); ok && errno != 0 {
		return opError("dump", unix.Errno(errno))
	}
	if d.interrupted {
		return ErrInterrupted
	}
	return nil
}

func (d *Dump) entry(payload []byte, fn func(*flow.Flow)) {
	saw, ok := decode(payload, &d.flow)
	if !ok {
		d.malformed++
		return
	}
	d.flow.Has = knownFields(&d.flow, saw, true)
	fn(&d.flow)
}

package ctnetlink

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// Kind says what happened to a flow.
type Kind uint8

// The kinds of events.
const (
	New     Kind = iota + 1 // entered the table
	Update                  // changed
	Destroy                 // left the table: ended, expired or deleted
)

// String gives the kind as conntrack(8) prints it.
func (k Kind) String() string {
	switch k {
	case New:
		return "NEW"
	case Update:
		return "UPDATE"
	case Destroy:
		return "DESTROY"
	}
	return "unknown"
}

// EventsConfig says how events are received. The zero value is good.
type EventsConfig struct {
	// ReceiveBuffer is the size in bytes asked for the socket's buffer; zero is
	// ReceiveBufferDefault.
	ReceiveBuffer int

	// OwnPort is the port of the Table whose changes are not to be heard. Zero: all are.
	OwnPort uint32

	// Reliable asks the kernel (NETLINK_BROADCAST_ERROR) to keep an event that did not
	// fit for the flow's next packet, and an entry whose end did not fit in the table
	// until it does. A reader that stops then fills the table; without it, events that
	// do not fit are lost, and in both cases Read says ErrOverrun.
	Reliable bool
}

// EventsStats counts since OpenEvents.
type EventsStats struct {
	Received  uint64 // handed to the caller
	Own       uint64 // dropped as own changes, past the kernel's filter
	Malformed uint64 // dropped because they could not be read
	Overruns  uint64 // times that the kernel said events were lost
}

// Events is a subscription to what happens in the table.
type Events struct {
	sock    *socket
	own     uint32
	size    int
	changes bool // New and Update are heard
	stats   EventsStats
	flow    flow.Flow
	headers [eventBatch]datagram
	vectors [eventBatch]unix.Iovec
	names   [eventBatch]unix.RawSockaddrNetlink
	buffers []byte
}

// datagram is the kernel's struct mmsghdr.
type datagram struct {
	header unix.Msghdr
	size   uint32
	_      [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// OpenEvents subscribes to the connection tracker of the calling thread's network
// namespace.
func OpenEvents(cfg EventsConfig) (*Events, error) {
	const op = "open events"
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = ReceiveBufferDefault
	}
	if cfg.ReceiveBuffer < receiveBufferMin || cfg.ReceiveBuffer > receiveBufferLimit {
		return nil, opError(op, fmt.Errorf("a receive buffer of %d bytes is not between %d and %d",
			cfg.ReceiveBuffer, receiveBufferMin, receiveBufferLimit))
	}
	s, err := openSocket()
	if err != nil {
		return nil, opError(op, err)
	}
	e := &Events{sock: s, own: cfg.OwnPort, buffers: make([]byte, eventBatch*eventMax)}
	if err := e.setup(cfg); err != nil {
		s.close()
		return nil, opError(op, err)
	}
	for i := range e.headers {
		e.vectors[i].Base = &e.buffers[i*eventMax]
		e.vectors[i].SetLen(eventMax)
		h := &e.headers[i].header
		h.Iov, h.Name = &e.vectors[i], (*byte)(unsafe.Pointer(&e.names[i]))
		h.SetIovlen(1)
	}
	return e, nil
}

// setup prepares the socket before it joins the groups, so that no event comes past
// the filter.
func (e *Events) setup(cfg EventsConfig) (err error) {
	if e.size, err = e.sock.resize(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReceiveBuffer); err != nil {
		return err
	}
	if cfg.OwnPort != 0 {
		if err := e.sock.filterPort(cfg.OwnPort); err != nil {
			return err
		}
	}
	if cfg.Reliable {
		if err := unix.SetsockoptInt(e.sock.fd, unix.SOL_NETLINK, unix.NETLINK_BROADCAST_ERROR, 1); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptInt(e.sock.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, groupDestroy); err != nil {
		return err
	}
	return e.hear(true)
}

// Hear says whether New and Update are heard beside Destroy, as they are at first. What
// nobody on the machine hears the kernel does not write, of own changes neither: for a
// flow put into the table that is a quarter of the work. What happened while they were
// not heard is in the table only.
func (e *Events) Hear(changes bool) error { return opError("choose events", e.hear(changes)) }

func (e *Events) hear(changes bool) error {
	if changes == e.changes {
		return nil
	}
	option := unix.NETLINK_DROP_MEMBERSHIP
	if changes {
		option = unix.NETLINK_ADD_MEMBERSHIP
	}
	for _, g := range []int{groupNew, groupUpdate} {
		if err := unix.SetsockoptInt(e.sock.fd, unix.SOL_NETLINK, option, g); err != nil {
			return err
		}
	}
	e.changes = changes
	return nil
}

// filterPort has the kernel drop messages that a port caused: their nlmsg_pid is the
// fourth word. A classic BPF program loads words big endian.
func (s *socket) filterPort(port uint32) error {
	var probe [2]byte
	*(*uint16)(unsafe.Pointer(&probe)) = 1
	if probe[0] == 1 {
		port = bits.ReverseBytes32(port)
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 12},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: port},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
	}
	return unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// FD is the descriptor to wait on until it is readable.
func (e *Events) FD() int { return e.sock.fd }

// ReceiveBuffer is the size in bytes that the kernel allotted; it is less than what was
// asked where the process may not pass net.core.rmem_max.
func (e *Events) ReceiveBuffer() int { return e.size }

// Stats gives the counters.
func (e *Events) Stats() EventsStats { return e.stats }

// Close ends the subscription.
func (e *Events) Close() error { return opError("close events", e.sock.close()) }

// Read takes the events that are there, 768 at most, and calls fn with each; it never
// waits. It gives the number of events taken, ErrOverrun if some were lost before or
// between them, or another error if the socket is broken. The flow is valid during
// the call of fn only.
//
// An event shows what changed, and flow.Has says what is known from it. On New that is
// all of the flow. On Update, State and the TCP fields are there only if the protocol's
// state changed, Labels only if they did; a master is shown on New alone, sequence
// adjustment and SYN proxy on their own change; [flow.Flow.Keep] fills the gaps. On
// Destroy only tuples and zone are sure to be there. No event tells that a packet
// prolonged the life of a flow.
func (e *Events) Read(fn func(Kind, *flow.Flow)) (n int, err error) {
	for range readMax / eventBatch {
		got, errno := e.receive()
		switch {
		case again(errno):
			return n, err
		case errno == unix.ENOBUFS:
			// Told once; what is queued is still there.
			e.stats.Overruns++
			err = ErrOverrun
			continue
		case errno != 0:
			return n, opError("read events", errno)
		}
		for i := range got {
			if !e.datagram(i, fn) {
				// Something was said that could not be heard: the caller must look.
				err = ErrOverrun
			}
		}
		n += got
		if got < eventBatch {
			return n, err
		}
	}
	return n, err
}

func (e *Events) receive() (int, unix.Errno) {
	for i := range e.headers {
		// The kernel overwrites them.
		e.headers[i].header.Namelen = unix.SizeofSockaddrNetlink
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(e.sock.fd), uintptr(unsafe.Pointer(&e.headers[0])),
		eventBatch, unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// datagram hands out the events of one datagram; false if any was not readable.
func (e *Events) datagram(i int, fn func(Kind, *flow.Flow)) bool {
	if e.names[i].Pid != 0 {
		return true // not from the kernel: nobody's business
	}
	size := int(e.headers[i].size)
	if e.headers[i].header.Flags&unix.MSG_TRUNC != 0 || size > eventMax {
		e.stats.Malformed++
		return false
	}
	rest := e.buffers[i*eventMax : i*eventMax+size]
	for len(rest) > 0 {
		var m message
		var ok bool
		if m, rest, ok = nextMessage(rest); !ok {
			e.stats.Malformed++
			return false
		}
		if e.own != 0 && m.port == e.own {
			e.stats.Own++
			continue
		}
		kind, ok := event(m, &e.flow)
		if !ok {
			e.stats.Malformed++
			return false
		}
		e.stats.Received++
		fn(kind, &e.flow)
	}
	return true
}

// event reads one message into f.
func event(m message, f *flow.Flow) (Kind, bool) {
	kind := Update
	switch {
	case m.kind == messageDelete:
		kind = Destroy
	case m.kind != messageNew:
		return 0, false
	case m.flags&(unix.NLM_F_CREATE|unix.NLM_F_EXCL) != 0:
		kind = New
	}
	saw, ok := decode(m.payload, f)
	if !ok {
		return 0, false
	}
	f.Has = knownFields(f, saw, kind == New)
	if kind == New {
		f.Has = flow.AllFields
	}
	return kind, true
}

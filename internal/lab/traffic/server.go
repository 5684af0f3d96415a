package traffic

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/lab"
)

// The server's ports.
const (
	streamPort  = 7001 // long transfers; the client says which with a hello
	probePort   = 7002
	requestPort = 80
)

// A hello is what the client sends first on a long transfer: the flow's number and,
// in the lowest bit of the second word, whether it is fast.
const helloSize = 8

const backlog = 4096

// server is the server's side of all three kinds, in one loop.
type server struct {
	poll     *poller
	start    time.Time
	response []byte
	slow     *wheel
	fast     *wheel
	conns    map[int32]*conn // by descriptor
	listener map[int32]bool  // descriptors of listeners; true for streams
	probes   []int32
	done     chan struct{}
	buf      []byte
}

// conn is one connection that the server has accepted.
type conn struct {
	fd     int
	stream bool
	got    int // bytes of the hello or the request
	head   [256]byte

	flow   uint32
	number uint64
	rest   []byte // what a full buffer left of a chunk
	closed bool
}

// wheel spreads streams of one interval evenly over it, in slots of a tick each.
type wheel struct {
	slots  [][]*conn
	filled int
	now    int
}

func newWheel(interval time.Duration) *wheel {
	return &wheel{slots: make([][]*conn, max(int(interval/intervalMin), 1))}
}

func (w *wheel) add(c *conn) {
	// A step that shares no factor with most lengths spreads few as well as many.
	const step = 61
	i := w.filled * step % len(w.slots)
	w.slots[i] = append(w.slots[i], c)
	w.filled++
}

// turn gives the streams whose time has come, without those that have ended.
func (w *wheel) turn() []*conn {
	w.now = (w.now + 1) % len(w.slots)
	live := w.slots[w.now][:0]
	for _, c := range w.slots[w.now] {
		if !c.closed {
			live = append(live, c)
		}
	}
	w.slots[w.now] = live
	return live
}

// newServer opens the server's ports on the server of the lab, and serves.
func newServer(l *lab.Lab, c Config, start time.Time) (*server, error) {
	poll, err := newPoller(intervalMin)
	if err != nil {
		return nil, err
	}
	s := &server{
		poll: poll, start: start, response: response(c.Requests.Response),
		slow: newWheel(c.FlowInterval), fast: newWheel(c.FastInterval),
		conns: map[int32]*conn{}, listener: map[int32]bool{},
		done: make(chan struct{}), buf: make([]byte, 64<<10),
	}
	if err := l.Node(lab.Server).Do(func() error { return s.listen(l.HasIPv6()) }); err != nil {
		s.poll.close()
		s.free()
		return nil, err
	}
	go s.run()
	return s, nil
}

// response gives the answer to a short request with a body of the size.
func response(size int) []byte {
	b := fmt.Appendf(nil, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n", size)
	for i := range size {
		b = append(b, byte('a'+i%26))
	}
	return b
}

func (s *server) listen(ipv6 bool) error {
	addresses := []netip.Addr{netip.MustParsePrefix(lab.Server4).Addr()}
	if ipv6 {
		addresses = append(addresses, netip.MustParsePrefix(lab.Server6).Addr())
	}
	for _, a := range addresses {
		for _, port := range []uint16{streamPort, requestPort} {
			fd, err := bound(a, port, unix.SOCK_STREAM)
			if err == nil {
				s.listener[int32(fd)] = port == streamPort
				if err = unix.Listen(fd, backlog); err == nil {
					err = s.poll.add(fd, unix.EPOLLIN, int32(fd), 0)
				}
			}
			if err != nil {
				return fmt.Errorf("listen on %v port %d: %w", a, port, err)
			}
		}
		fd, err := bound(a, probePort, unix.SOCK_DGRAM)
		if err == nil {
			s.probes = append(s.probes, int32(fd))
			err = s.poll.add(fd, unix.EPOLLIN, int32(fd), 0)
		}
		if err != nil {
			return fmt.Errorf("listen on %v port %d: %w", a, probePort, err)
		}
	}
	return nil
}

func bound(a netip.Addr, port uint16, kind int) (int, error) {
	fd, err := socket(a, kind)
	if err != nil {
		return -1, err
	}
	// The server of an earlier load has connections in TIME_WAIT.
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, sockaddr(a, port))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (s *server) run() {
	defer close(s.done)
	defer s.free()
	for {
		events, err := s.poll.wait()
		if err != nil {
			return // closed
		}
		for _, e := range events {
			s.handle(e.Fd)
		}
	}
}

func (s *server) handle(tag int32) {
	if tag == tickTag {
		for range s.poll.ticks() {
			s.sendAll(s.slow.turn())
			s.sendAll(s.fast.turn())
		}
		return
	}
	if stream, ok := s.listener[tag]; ok {
		s.accept(int(tag), stream)
		return
	}
	if c := s.conns[tag]; c != nil {
		s.read(c)
		return
	}
	for _, fd := range s.probes {
		if fd == tag {
			s.answer(int(fd))
		}
	}
}

func (s *server) accept(fd int, stream bool) {
	for range eventsMax { // the rest comes with the next wait
		accepted, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		if stream {
			// Chunks are small, and each is wanted at its time.
			_ = unix.SetsockoptInt(accepted, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
		c := &conn{fd: accepted, stream: stream}
		if s.poll.add(accepted, unix.EPOLLIN|unix.EPOLLRDHUP, int32(accepted), 0) != nil {
			unix.Close(accepted)
			continue
		}
		s.conns[int32(accepted)] = c
		s.read(c) // often it is there already
	}
}

func (s *server) read(c *conn) {
	n, err := unix.Read(c.fd, c.head[c.got:])
	switch {
	case err != nil && pending(err):
		return
	case err != nil, n == 0: // the end, or more than a request can be
		s.drop(c)
		return
	}
	c.got += n
	if !c.stream {
		if bytes.HasSuffix(c.head[:c.got], []byte("\r\n\r\n")) {
			// It fits into an empty socket buffer; a client that gets less tells.
			_, _ = unix.Write(c.fd, s.response)
			s.drop(c)
		}
		return
	}
	if c.got == helloSize {
		c.flow = binary.BigEndian.Uint32(c.head[:])
		if c.head[helloSize-1]&1 == 1 {
			s.fast.add(c)
		} else {
			s.slow.add(c)
		}
		s.send(c) // the first at once: the client waits for it
	}
}

func (s *server) sendAll(conns []*conn) {
	for _, c := range conns {
		s.send(c)
	}
}

// send sends one chunk. Where the socket's buffer is full it sends none: the network
// is silent, and there is enough to send when it speaks again.
func (s *server) send(c *conn) {
	if len(c.rest) == 0 {
		var chunk [chunkSize]byte
		putChunk(chunk[:], c.flow, c.number, int64(time.Since(s.start)))
		n, err := unix.Write(c.fd, chunk[:])
		switch {
		case err == nil:
			c.number++
			c.rest = append(c.rest[:0], chunk[n:]...)
		case !pending(err):
			s.drop(c)
		}
		return
	}
	n, err := unix.Write(c.fd, c.rest)
	if err == nil {
		c.rest = c.rest[n:]
	} else if !pending(err) {
		s.drop(c)
	}
}

func (s *server) drop(c *conn) {
	c.closed = true
	delete(s.conns, int32(c.fd))
	unix.Close(c.fd)
}

// answer sends probes back as they came.
func (s *server) answer(fd int) {
	for range eventsMax {
		n, from, err := unix.Recvfrom(fd, s.buf, 0)
		if err != nil {
			return
		}
		_ = unix.Sendto(fd, s.buf[:n], 0, from) // a lost answer is the client's to notice
	}
}

func (s *server) free() {
	for fd := range s.conns {
		unix.Close(int(fd))
	}
	for fd := range s.listener {
		unix.Close(int(fd))
	}
	for _, fd := range s.probes {
		unix.Close(int(fd))
	}
	s.poll.free()
}

func (s *server) close() {
	s.poll.close()
	<-s.done
}

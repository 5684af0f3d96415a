package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/lab"
)

// streams is the client's side of the long transfers, in one loop.
type streams struct {
	poll  *poller
	start time.Time
	done  chan struct{}
	ready chan struct{} // closed when every flow has its first chunk, or has failed
	buf   []byte

	mu      sync.Mutex // held while events are handled, not while they are waited for
	flows   []stream
	opened  int // how many of flows connect has been called for
	opening int // of these, how many have no chunk yet
}

// stream is one long transfer. Times are nanoseconds since the start of the load.
type stream struct {
	fd       int
	fast     bool
	from, to netip.Addr

	greeted bool
	failed  string // why it ended; "" while it has not
	part    [chunkSize]byte
	have    int    // bytes of part
	number  uint64 // of the chunk that is due
	seen    int64  // when bytes last came
	sent    int64  // when the latest chunk was sent

	// Since the mark:
	before  bool // it was going on then
	silence int64
	delay   int64
}

// newStreams prepares the flows; they are opened by the loop.
func newStreams(l *lab.Lab, c Config, start time.Time) (*streams, error) {
	poll, err := newPoller(intervalMin)
	if err != nil {
		return nil, err
	}
	s := &streams{
		poll: poll, start: start, done: make(chan struct{}), ready: make(chan struct{}),
		buf: make([]byte, 64<<10), flows: make([]stream, c.Flows+c.FastFlows),
	}
	for i := range s.flows {
		f := &s.flows[i]
		f.fd = -1
		f.fast = i < c.FastFlows
		// Spread over the addresses, and the families over slow and fast alike.
		f.from, f.to = pair(i, l.HasIPv6() && i*c.IPv6Percent/100 != (i+1)*c.IPv6Percent/100)
	}
	go func() {
		defer close(s.done)
		// In the client's namespace for as long as it runs: it opens sockets.
		err := l.Node(lab.Client).Do(func() error { s.run(); return nil })
		if err != nil {
			s.fail(err)
		}
		s.free()
	}()
	return s, nil
}

// pair gives the addresses of the flow or request with the number.
func pair(i int, ipv6 bool) (from, to netip.Addr) {
	client, server := lab.Client4, lab.Server4
	if ipv6 {
		client, server = lab.Client6, lab.Server6
	}
	from = netip.MustParsePrefix(client).Addr()
	for range i % lab.ClientAddresses {
		from = from.Next()
	}
	return from, netip.MustParsePrefix(server).Addr()
}

func (s *streams) now() int64 { return int64(time.Since(s.start)) }

func (s *streams) run() {
	if len(s.flows) == 0 {
		close(s.ready)
	}
	for {
		events, err := s.poll.wait()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		for _, e := range events {
			if e.Fd == tickTag {
				s.poll.ticks()
				s.open()
			} else {
				s.read(&s.flows[e.Fd], uint32(e.Fd))
			}
		}
		s.mu.Unlock()
	}
}

// open starts the next connections.
func (s *streams) open() {
	for s.opened < len(s.flows) && s.opening < connecting {
		i := s.opened
		f := &s.flows[i]
		s.opened++
		s.opening++
		fd, err := connect(f.from, f.to, streamPort)
		if err != nil {
			s.end(f, fmt.Sprintf("connect: %v", err))
			continue
		}
		f.fd = fd
		// Writable once: when it is connected.
		if err := s.poll.add(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET, int32(i), 0); err != nil {
			s.end(f, fmt.Sprintf("watch: %v", err))
		}
	}
}

// greet tells the server which flow this is.
func (s *streams) greet(f *stream, id uint32) (done bool) {
	var hello [helloSize]byte
	binary.BigEndian.PutUint32(hello[:], id)
	if f.fast {
		hello[helloSize-1] = 1
	}
	_, err := unix.Write(f.fd, hello[:])
	if err == nil {
		f.greeted = true
		return true
	}
	if !pending(err) && !errors.Is(err, unix.ENOTCONN) {
		s.end(f, fmt.Sprintf("connect: %v", err))
	}
	return false
}

// read takes all that has come on a flow.
func (s *streams) read(f *stream, id uint32) {
	if f.failed != "" || !f.greeted && !s.greet(f, id) {
		return
	}
	for {
		n, err := unix.Read(f.fd, s.buf)
		switch {
		case err != nil && errors.Is(err, unix.EINTR):
			continue
		case err != nil && pending(err):
			return
		case err != nil:
			s.end(f, fmt.Sprintf("read: %v", err))
			return
		case n == 0:
			s.end(f, "the server closed it")
			return
		}
		if !s.take(f, id, s.buf[:n]) {
			s.end(f, fmt.Sprintf("chunk %d has not the bytes that were sent", f.number))
			return
		}
		if n < len(s.buf) {
			return // that was all; what comes now makes an event
		}
	}
}

// take checks the bytes and keeps the times.
func (s *streams) take(f *stream, id uint32, b []byte) (ok bool) {
	now := s.now()
	if f.seen == 0 {
		s.opening--
		s.settleOpening()
	} else {
		f.silence = max(f.silence, now-f.seen)
	}
	f.seen = now
	for len(b) > 0 {
		n := copy(f.part[f.have:], b)
		b = b[n:]
		if f.have += n; f.have < chunkSize {
			break
		}
		f.have = 0
		sent, ok := checkChunk(f.part[:], id, f.number)
		if !ok {
			return false
		}
		f.number++
		f.sent = sent
		f.delay = max(f.delay, now-sent)
	}
	return true
}

// end ends a flow for good.
func (s *streams) end(f *stream, reason string) {
	if f.failed != "" {
		return
	}
	f.failed = reason
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.fd = -1
	}
	if f.seen == 0 {
		s.opening--
		s.settleOpening()
	}
}

func (s *streams) settleOpening() {
	if s.opened == len(s.flows) && s.opening == 0 {
		close(s.ready)
	}
}

// fail ends all that has not been opened.
func (s *streams) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.opened < len(s.flows); s.opened++ {
		s.flows[s.opened].failed = err.Error()
	}
	select {
	case <-s.ready:
	default:
		close(s.ready)
	}
}

// broken says how many flows have ended, and why the first of them.
func (s *streams) broken() (count int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.flows {
		if f := &s.flows[i]; f.failed != "" || f.seen == 0 {
			count++
			if reason = f.failed; reason == "" {
				reason = "not connected"
			}
		}
	}
	return count, reason
}

// mark begins a phase.
func (s *streams) mark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.flows {
		f := &s.flows[i]
		f.before = f.failed == ""
		f.silence, f.delay = 0, 0
	}
}

// settled says whether the fate of every flow is known: it failed, or has got what was
// sent after the time.
func (s *streams) settled(since int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.flows {
		if f := &s.flows[i]; f.before && f.failed == "" && f.sent < since {
			return false
		}
	}
	return true
}

// report tells the phase of the slow or of the fast flows. A flow that has not got
// anything sent after the time is lost.
func (s *streams) report(fast bool, since int64) Flows {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r Flows
	var silences, delays []int64
	now := s.now()
	for i := range s.flows {
		f := &s.flows[i]
		if f.fast != fast || !f.before {
			continue
		}
		r.Before++
		reason := f.failed
		if reason == "" && f.sent < since {
			reason = fmt.Sprintf("silent for %v", time.Duration(now-f.seen).Round(time.Millisecond))
		}
		if reason != "" {
			r.Lost++
			if len(r.Reasons) < reasonsMax {
				r.Reasons = append(r.Reasons, fmt.Sprintf("flow %d from %v: %s", i, f.from, reason))
			}
			continue
		}
		r.WentOn++
		silences = append(silences, max(f.silence, now-f.seen))
		delays = append(delays, f.delay)
	}
	r.Silence, r.Delay = spread(silences), spread(delays)
	return r
}

func (s *streams) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.flows {
		if f := &s.flows[i]; f.fd >= 0 {
			unix.Close(f.fd)
			f.fd = -1
		}
	}
	s.poll.free()
}

func (s *streams) close() {
	s.poll.close()
	<-s.done
}

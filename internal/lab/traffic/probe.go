package traffic

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/lab"
)

// probeSize is a probe's number and the time of its sending, 8 bytes each.
const probeSize = 16

// probes asks the server at a fixed interval, in one loop.
type probes struct {
	poll  *poller
	start time.Time
	fd    int
	done  chan struct{}
	ready chan struct{} // closed at the first answer

	mu   sync.Mutex
	next uint64 // the number of the next probe
	last uint64 // the latest that was answered
	seen int64  // when; nanoseconds since the start
	sent int64  // when that one was sent

	// Since the mark:
	from      uint64 // the number of the first probe
	answered  uint64
	silence   int64
	lostInRow uint64
}

func newProbes(l *lab.Lab, c Config, start time.Time) (*probes, error) {
	p := &probes{start: start, fd: -1, next: 1, done: make(chan struct{}), ready: make(chan struct{})}
	from, to := pair(0, false)
	err := l.Node(lab.Client).Do(func() (err error) {
		if p.fd, err = socket(to, unix.SOCK_DGRAM); err != nil {
			return err
		}
		if err := unix.Bind(p.fd, sockaddr(from, 0)); err != nil {
			return err
		}
		return unix.Connect(p.fd, sockaddr(to, probePort))
	})
	if err == nil {
		if p.poll, err = newPoller(c.ProbeInterval); err == nil {
			err = p.poll.add(p.fd, unix.EPOLLIN, 0, 0)
		}
	}
	if err != nil {
		if p.fd >= 0 {
			unix.Close(p.fd)
		}
		if p.poll != nil {
			p.poll.close()
			p.poll.free()
		}
		return nil, fmt.Errorf("open a socket for probes: %w", err)
	}
	go p.run()
	return p, nil
}

func (p *probes) run() {
	defer close(p.done)
	for {
		events, err := p.poll.wait()
		if err != nil {
			break // closed
		}
		p.mu.Lock()
		for _, e := range events {
			if e.Fd == tickTag {
				p.poll.ticks() // a late one is not made up for: it would be no probe
				p.ask()
			} else {
				p.listen()
			}
		}
		p.mu.Unlock()
	}
	unix.Close(p.fd)
	p.poll.free()
}

func (p *probes) ask() {
	var b [probeSize]byte
	binary.BigEndian.PutUint64(b[:], p.next)
	binary.BigEndian.PutUint64(b[8:], uint64(time.Since(p.start)))
	p.next++
	_, _ = unix.Write(p.fd, b[:]) // what is not sent is not answered
}

func (p *probes) listen() {
	var b [probeSize]byte
	for range eventsMax {
		n, err := unix.Read(p.fd, b[:])
		if err != nil {
			return // nothing more, or an ICMP error, which is no answer
		}
		if n == probeSize {
			p.take(binary.BigEndian.Uint64(b[:]), int64(binary.BigEndian.Uint64(b[8:])))
		}
	}
}

func (p *probes) take(number uint64, sent int64) {
	now := int64(time.Since(p.start))
	if p.seen == 0 {
		close(p.ready)
	} else {
		p.silence = max(p.silence, now-p.seen)
	}
	p.seen = now
	if next := max(p.last+1, p.from); number > next { // a late answer may be from before the mark
		p.lostInRow = max(p.lostInRow, number-next)
	}
	if number > p.last {
		p.last, p.sent = number, sent
	}
	if number >= p.from {
		p.answered++
	}
}

func (p *probes) mark() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from, p.answered, p.silence, p.lostInRow = p.next, 0, 0, 0
}

// settled says whether a probe sent after the time was answered.
func (p *probes) settled(since int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent > since
}

func (p *probes) report() Probes {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Those sent after the latest answered one are not lost yet.
	sent := max(p.last+1, p.from) - p.from
	return Probes{
		Sent:      int(sent),
		Lost:      int(sent - min(p.answered, sent)),
		LostInRow: int(p.lostInRow),
		Silence:   time.Duration(max(p.silence, int64(time.Since(p.start))-p.seen)),
	}
}

func (p *probes) close() {
	p.poll.close()
	<-p.done
}

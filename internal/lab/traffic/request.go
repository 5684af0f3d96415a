package traffic

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/lab"
)

var requestText = []byte("GET / HTTP/1.0\r\n\r\n")

// requests makes short requests, in one loop. The server closes first, so TIME_WAIT is
// on its side and the client's ports are free again at once.
type requests struct {
	poll   *poller
	config Requests
	start  time.Time
	total  int // how many to make; zero for no end
	want   []byte
	buf    []byte
	done   chan struct{}

	mu        sync.Mutex
	slots     []request
	idle      []int32 // slots that make no request
	made      int     // requests begun, tries not counted
	ended     int
	allowance float64 // requests that may begin now
	scan      int64   // when timeouts are looked for next
	seen      RequestsSeen
}

// request is one that is under way. Times are nanoseconds since the start of the load.
type request struct {
	fd         int
	busy       bool
	generation int32
	number     int
	begun      int64 // the first try
	tried      int64 // this try
	again      bool  // this is the second try
	stage      Stage
	got        int

	marked bool
	mark   MidFlight
}

// scanEvery is how often timeouts are looked for.
const scanEvery = 20 * time.Millisecond

func newRequests(l *lab.Lab, c Requests, total int, start time.Time) (*requests, error) {
	poll, err := newPoller(intervalMin)
	if err != nil {
		return nil, err
	}
	r := &requests{
		poll: poll, config: c, start: start, total: total, want: response(c.Response),
		buf: make([]byte, 64<<10), done: make(chan struct{}), slots: make([]request, c.Concurrency),
	}
	for i := range r.slots {
		r.slots[i].fd = -1
		r.idle = append(r.idle, int32(i))
	}
	go func() {
		defer close(r.done)
		err := l.Node(lab.Client).Do(func() error { r.run(); return nil })
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil {
			r.note(err.Error())
		}
		for i := range r.slots {
			if fd := r.slots[i].fd; fd >= 0 {
				unix.Close(fd)
			}
		}
		r.poll.free()
	}()
	return r, nil
}

func (r *requests) now() int64 { return int64(time.Since(r.start)) }

func (r *requests) run() {
	for {
		events, err := r.poll.wait()
		if err != nil {
			return // closed
		}
		r.mu.Lock()
		for _, e := range events {
			if e.Fd == tickTag {
				r.tick(r.poll.ticks())
			} else if q := &r.slots[e.Fd]; q.busy && q.generation == e.Pad {
				r.step(e.Fd, q)
			}
		}
		if r.config.Rate == 0 {
			r.begin(len(r.idle))
		}
		over := r.total > 0 && r.ended == r.total
		r.mu.Unlock()
		if over {
			r.poll.close()
			return
		}
	}
}

func (r *requests) tick(ticks int) {
	// At most what a few ticks bring is saved up while all slots are busy.
	const saved = 0.05
	rate := float64(r.config.Rate)
	r.allowance = min(r.allowance+rate*float64(ticks)*intervalMin.Seconds(), max(rate*saved, 1))
	n := int(r.allowance)
	r.allowance -= float64(r.begin(n))
	if now := r.now(); now >= r.scan {
		r.scan = now + int64(scanEvery)
		for i := range r.slots {
			if q := &r.slots[i]; q.busy && now-q.tried > int64(r.config.Timeout) {
				r.fail(int32(i), q, fmt.Sprintf("no answer within %v, %v", r.config.Timeout, q.stage))
			}
		}
	}
}

// begin begins up to n requests, as far as there are slots.
func (r *requests) begin(n int) (begun int) {
	if r.total > 0 {
		n = min(n, r.total-r.made)
	}
	for begun < n && len(r.idle) > 0 {
		i := r.idle[len(r.idle)-1]
		r.idle = r.idle[:len(r.idle)-1]
		q := &r.slots[i]
		*q = request{fd: -1, busy: true, generation: q.generation, number: r.made, begun: r.now()}
		r.made++
		begun++
		r.try(i, q)
	}
	return begun
}

func (r *requests) try(i int32, q *request) {
	q.generation++
	q.stage, q.got, q.tried = Connecting, 0, r.now()
	from, to := pair(q.number, false)
	fd, err := connect(from, to, requestPort)
	if err == nil {
		q.fd = fd
		err = r.poll.add(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET, i, q.generation)
	}
	if err != nil {
		r.fail(i, q, fmt.Sprintf("connect: %v", err))
	}
}

// step takes a request as far as it goes now.
func (r *requests) step(i int32, q *request) {
	if q.stage == Connecting {
		if _, err := unix.Write(q.fd, requestText); err != nil {
			if !pending(err) && !errors.Is(err, unix.ENOTCONN) {
				r.fail(i, q, fmt.Sprintf("connect: %v", err))
			}
			return
		}
		q.stage = Waiting
	}
	for {
		n, err := unix.Read(q.fd, r.buf)
		switch {
		case err != nil && errors.Is(err, unix.EINTR):
			continue
		case err != nil && pending(err):
			return
		case err != nil:
			r.fail(i, q, fmt.Sprintf("%v: %v", q.stage, err))
			return
		case n == 0 && q.got == len(r.want):
			r.finish(i, q, true)
			return
		case n == 0:
			r.fail(i, q, fmt.Sprintf("only %d of %d bytes came", q.got, len(r.want)))
			return
		case q.got+n > len(r.want) || !bytes.Equal(r.buf[:n], r.want[q.got:q.got+n]):
			r.fail(i, q, fmt.Sprintf("wrong bytes after %d", q.got))
			return
		}
		q.stage = Reading
		q.got += n
	}
}

// fail ends a try, and the request with it if it was the second.
func (r *requests) fail(i int32, q *request, reason string) {
	r.note(fmt.Sprintf("request %d: %s", q.number, reason))
	if q.fd >= 0 {
		unix.Close(q.fd)
		q.fd = -1
	}
	if q.again {
		r.finish(i, q, false)
		return
	}
	q.again = true
	r.seen.Retried++
	r.try(i, q)
}

func (r *requests) finish(i int32, q *request, ok bool) {
	if q.fd >= 0 {
		unix.Close(q.fd)
		q.fd = -1
	}
	if ok {
		r.seen.OK++
		r.seen.Slowest = max(r.seen.Slowest, time.Duration(r.now()-q.begun))
	} else {
		r.seen.Failed++
	}
	if q.marked {
		q.mark.OK, q.mark.Retried = ok, q.again
		r.seen.MidFlight = append(r.seen.MidFlight, q.mark)
	}
	q.busy = false
	r.ended++
	r.idle = append(r.idle, i)
}

func (r *requests) note(reason string) {
	if len(r.seen.Reasons) < reasonsMax {
		r.seen.Reasons = append(r.seen.Reasons, reason)
	}
}

// mark begins a phase.
func (r *requests) mark() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = RequestsSeen{}
	now := r.now()
	for i := range r.slots {
		if q := &r.slots[i]; q.busy {
			q.marked = true
			q.mark = MidFlight{Age: time.Duration(now - q.begun), Stage: q.stage}
		}
	}
}

// settled says whether all that were under way at the mark have ended.
func (r *requests) settled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.slots {
		if q := &r.slots[i]; q.busy && q.marked {
			return false
		}
	}
	return true
}

func (r *requests) report() RequestsSeen {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	// The loop goes on appending to its own.
	seen.MidFlight = append([]MidFlight(nil), seen.MidFlight...)
	seen.Reasons = append([]string(nil), seen.Reasons...)
	return seen
}

func (r *requests) close() {
	r.poll.close()
	<-r.done
}

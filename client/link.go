package client

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

const (
	// redialMin and redialMax bound the time until a server that could not be reached is
	// tried again; it doubles.
	redialMin = 20 * time.Millisecond
	redialMax = time.Second

	// writeMax is how long a server's socket may have no room.
	writeMax = time.Second
)

// The kinds of what a server sends, docs/rfc/0021-front.md.
const (
	kindReply  = 0
	kindNotice = 1
)

// link is the connection to one server, made again when it breaks.
type link struct {
	c    *Client
	id   view.ID
	path string
	stop chan struct{}
	conn net.Conn // nil: there is none; under the client's lock
	buf  []byte
}

func newLink(c *Client, id view.ID, path string) *link {
	l := &link{c: c, id: id, path: path, stop: make(chan struct{})}
	c.running.Go(l.run)
	return l
}

// run keeps a connection and takes what comes over it.
func (l *link) run() {
	wait := redialMin
	for {
		conn, err := net.DialTimeout("unix", l.path, time.Second)
		if err == nil {
			wait = redialMin
			l.up(conn)
			l.read(conn)
			l.down(conn)
		} else {
			l.c.step(func(now time.Time) { l.c.m.Reachable(now, l.id, false, &l.c.out) })
		}
		select {
		case <-l.stop:
			return
		case <-time.After(wait):
			wait = min(2*wait, redialMax)
		}
	}
}

func (l *link) up(conn net.Conn) {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close() // its reader ends at once
		return
	}
	l.conn = conn
	c.m.Reachable(time.Now(), l.id, true, &c.out)
	c.carryOut()
}

func (l *link) down(conn net.Conn) {
	_ = conn.Close()
	l.c.step(func(now time.Time) {
		l.conn = nil
		l.c.m.Reachable(now, l.id, false, &l.c.out)
	})
}

// read takes what comes until the connection breaks.
func (l *link) read(conn net.Conn) {
	r := bufio.NewReaderSize(conn, 64<<10)
	var data []byte
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n < 1 || n-1 > session.ReplyMax {
			return
		}
		if cap(data) < n-1 {
			data = make([]byte, n-1)
		}
		data = data[:n-1]
		if _, err := io.ReadFull(r, data); err != nil {
			return
		}
		l.c.step(func(now time.Time) {
			switch {
			case head[4] == kindReply:
				l.c.m.Receive(now, l.id, data, &l.c.out)
			case head[4] == kindNotice && l.c.cfg.Notice != nil:
				l.c.cfg.Notice(data)
			}
		})
	}
}

// send writes a request. One that cannot be written is lost, and the connection with it. The
// caller has the client's lock.
func (l *link) send(request []byte) {
	if l.conn == nil {
		return
	}
	l.buf = binary.BigEndian.AppendUint32(l.buf[:0], uint32(len(request)))
	l.buf = append(l.buf, request...)
	_ = l.conn.SetWriteDeadline(time.Now().Add(writeMax))
	if _, err := l.conn.Write(l.buf); err != nil {
		_ = l.conn.Close() // its reader ends, and makes another
	}
}

// close ends the link. The caller has the client's lock.
func (l *link) close() {
	close(l.stop)
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

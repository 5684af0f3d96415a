package client

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// The kinds of what a server sends, docs/rfc/0021-front.md.
const (
	kindReply  = 0
	kindNotice = 1
	kindJob    = 2
)

// link is the connection to one server, made again when it breaks.
type link struct {
	c    *Client
	id   view.ID
	path string
	stop chan struct{}

	// Under the client's lock.
	pipe    *pipe  // nil: there is none
	fault   error  // why
	welcome bool   // the server knows who this client is
	server  uint64 // its life, when it has said so last
}

// pipe is one connection. What it has no room for is written by a goroutine of its own, so that
// a server that stands still holds up nobody.
type pipe struct {
	conn *net.UnixConn
	raw  syscall.RawConn

	// Under the client's lock.
	came    bool // something has
	owed    []byte
	writing bool
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
		p, err := dial(l.path)
		if err == nil {
			// A server that accepts and hangs up is no better than one that does not accept.
			err = errors.New(l.path + ": the server has ended the connection")
			if l.up(p) {
				came, why := l.read(p.conn)
				if came {
					wait = redialMin
				}
				if errors.Is(why, errFrame) {
					err = fmt.Errorf("%s: %w", l.path, why)
				}
			}
			_ = p.conn.Close()
		}
		l.down(err)
		again := time.NewTimer(wait)
		select {
		case <-l.stop:
			again.Stop()
			return
		case <-again.C:
			wait = min(2*wait, redialMax)
		}
	}
}

func dial(path string) (*pipe, error) {
	c, err := net.DialTimeout("unix", path, dialMax)
	if err != nil {
		return nil, err
	}
	conn := c.(*net.UnixConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return &pipe{conn: conn, raw: raw}, nil
}

// up begins to use a connection, unless the client is closed.
func (l *link) up(p *pipe) bool {
	return l.c.step(func(now time.Time) {
		l.pipe, l.fault = p, nil
		l.greet()
		l.c.m.Reachable(now, l.id, true, &l.c.out)
	})
}

func (l *link) down(err error) {
	l.c.step(func(now time.Time) {
		l.pipe, l.fault = nil, err
		l.parted(err)
		l.c.m.Reachable(now, l.id, false, &l.c.out)
	})
}

// read takes what comes until the connection breaks. It reports whether something came, and why it was the last.
func (l *link) read(conn io.Reader) (came bool, why error) {
	r := bufio.NewReaderSize(conn, keptMax)
	var data []byte
	for {
		kind, body, err := readFrame(r, data)
		if err != nil {
			return came, err
		}
		came = true
		l.c.step(func(now time.Time) {
			if l.pipe != nil {
				l.pipe.came = true
			}
			switch {
			case kind == kindReply:
				l.c.m.Receive(now, l.id, body, &l.c.out)
			case kind == kindJob:
				l.heard(body)
			case kind == kindNotice && l.c.cfg.Notice != nil:
				l.c.cfg.Notice(body)
			}
		})
		if data = body; cap(data) > keptMax {
			data = nil
		}
	}
}

// errFrame is the end of a connection over which what comes is no frame.
var errFrame = errors.New("what listens there is not a service's member; name the socket at which its clients come in")

// readFrame reads what a server sends once, into the room of buf if there is enough.
func readFrame(r io.Reader, buf []byte) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 1 || n-1 > session.ReplyMax {
		return 0, nil, errFrame
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return 0, nil, err
	}
	if n--; cap(buf) < int(n) {
		buf = make([]byte, n)
	}
	_, err = io.ReadFull(r, buf[:n])
	return head[4], buf[:n], err
}

// send puts a request out, for the next flush. The caller has the client's lock.
func (l *link) send(request []byte) {
	p := l.pipe
	if p == nil {
		return // it is lost
	}
	if len(p.owed)+len(request) > owedMax {
		_ = p.conn.Close() // the reader ends, and makes another
		return
	}
	p.owed = binary.BigEndian.AppendUint32(p.owed, uint32(len(request)))
	p.owed = append(p.owed, request...)
}

// flush writes what there is room for, and leaves the rest to a goroutine. The caller has the client's lock.
func (l *link) flush() {
	p := l.pipe
	if p == nil || p.writing || len(p.owed) == 0 {
		return
	}
	n := 0
	_ = p.raw.Write(func(fd uintptr) bool {
		n, _ = syscall.Write(int(fd), p.owed)
		return true // never wait
	})
	p.owed = p.owed[:copy(p.owed, p.owed[max(n, 0):])] // what is wrong the goroutine will see
	if len(p.owed) > 0 {
		p.writing = true
		l.c.running.Go(func() { l.c.write(p) })
	} else if cap(p.owed) > keptMax {
		p.owed = nil
	}
}

// write writes what is owed, waiting for room. A server that takes nothing loses its connection.
func (c *Client) write(p *pipe) {
	for {
		c.mu.Lock()
		b := p.owed
		p.owed = nil
		if len(b) == 0 {
			p.writing = false
		}
		c.mu.Unlock()
		if len(b) == 0 {
			return
		}
		_ = p.conn.SetWriteDeadline(time.Now().Add(writeMax)) // the writing says what is wrong
		if _, err := p.conn.Write(b); err != nil {
			_ = p.conn.Close() // the reader ends, and makes another
			return
		}
	}
}

// close ends the link. The caller has the client's lock.
func (l *link) close() {
	close(l.stop)
	if l.pipe != nil {
		_ = l.pipe.conn.Close()
	}
}

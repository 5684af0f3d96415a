// Package front is where clients of replicated services come in: a Unix socket, whose peers the
// kernel names and whose file's mode says who may. What is sent both ways is docs/rfc/0019-front.md:
// a length and as many bytes, again and again.
//
// Answers are written by whoever has them, without waiting: what a client's socket has no
// room for is written by a goroutine of its own. A client that takes nothing, or sends what
// makes no sense, loses its connection and nobody else does.
package front

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
)

const (
	// clientsMax is how many connections there are at once, each of which costs a
	// descriptor, a goroutine and its buffers.
	clientsMax = 4096

	// owedMax is how many bytes of answers wait for a client that does not take them.
	owedMax = 16 << 20

	readerSize = 64 << 10
)

// OpError says which operation of a front failed.
type OpError struct {
	Op  string
	Err error
}

// Error gives the operation and its cause.
func (e *OpError) Error() string { return "front: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Config is what a front needs.
type Config struct {
	Path  string // of the socket; a stale one is replaced, one that answers is not
	Mode  fs.FileMode
	Most  int                                      // bytes of a request
	Serve func(client uint64, request []byte) bool // a request, valid during the call; false: no room, and the client asks again
	Gone  func(client uint64)                      // nil: nobody wants to know
}

// Front takes connections until it is closed. Send and Flush are for one goroutine at a
// time.
type Front struct {
	cfg      Config
	listener *net.UnixListener
	dirty    []*conn
	ended    sync.WaitGroup

	mu     sync.Mutex
	conns  map[uint64]*conn
	last   uint64
	closed bool
}

// conn is one client's connection.
type conn struct {
	id  uint64
	c   *net.UnixConn
	raw syscall.RawConn

	mu      sync.Mutex
	owed    []byte
	listed  bool // it is in dirty
	writing bool // a goroutine writes what is owed
	dead    bool
}

// Listen opens the socket and takes connections.
func Listen(cfg Config) (*Front, error) {
	if c, err := net.Dial("unix", cfg.Path); err == nil {
		_ = c.Close()
		return nil, &OpError{"listen", fmt.Errorf("somebody answers at %s; stop it, or choose another path", cfg.Path)}
	}
	if err := os.Remove(cfg.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &OpError{"remove the stale socket", err}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: cfg.Path, Net: "unix"})
	if err != nil {
		return nil, &OpError{"listen", err}
	}
	if err := os.Chmod(cfg.Path, cfg.Mode); err != nil {
		_ = l.Close()
		return nil, &OpError{"set the mode of the socket", err}
	}
	f := &Front{cfg: cfg, listener: l, conns: map[uint64]*conn{}}
	f.ended.Go(f.accept)
	return f, nil
}

func (f *Front) accept() {
	for {
		c, err := f.listener.AcceptUnix()
		if err != nil {
			return // closed
		}
		raw, err := c.SyscallConn()
		if err != nil {
			_ = c.Close()
			continue
		}
		f.mu.Lock()
		if f.closed || len(f.conns) == clientsMax {
			f.mu.Unlock()
			_ = c.Close()
			continue
		}
		f.last++
		k := &conn{id: f.last, c: c, raw: raw}
		f.conns[k.id] = k
		f.ended.Go(func() { f.read(k) })
		f.mu.Unlock()
	}
}

// read takes a client's requests until it goes, or sends what is none.
func (f *Front) read(k *conn) {
	defer f.drop(k)
	r := bufio.NewReaderSize(k.c, readerSize)
	var request []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n > f.cfg.Most {
			return
		}
		if cap(request) < n {
			request = make([]byte, n)
		}
		request = request[:n]
		if _, err := io.ReadFull(r, request); err != nil {
			return
		}
		f.cfg.Serve(k.id, request)
	}
}

func (f *Front) drop(k *conn) {
	f.mu.Lock()
	delete(f.conns, k.id)
	f.mu.Unlock()
	k.mu.Lock()
	k.dead, k.owed = true, nil
	k.mu.Unlock()
	_ = k.c.Close()
	if f.cfg.Gone != nil {
		f.cfg.Gone(k.id)
	}
}

// The kinds of what a client is sent.
const (
	Reply  = 0 // to a request
	Notice = 1 // unasked
)

// Send sends bytes to a client at the next Flush. One that is gone gets nothing.
func (f *Front) Send(client uint64, kind byte, b []byte) {
	f.mu.Lock()
	k := f.conns[client]
	f.mu.Unlock()
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return
	}
	if len(k.owed)+len(b) > owedMax {
		k.dead, k.owed = true, nil
		_ = k.c.Close() // its reader ends, and drops it
		return
	}
	k.owed = binary.BigEndian.AppendUint32(k.owed, uint32(1+len(b)))
	k.owed = append(k.owed, kind)
	k.owed = append(k.owed, b...)
	if !k.listed && !k.writing {
		k.listed = true
		f.dirty = append(f.dirty, k)
	}
}

// Flush writes what was sent.
func (f *Front) Flush() {
	for i, k := range f.dirty {
		k.flush(&f.ended)
		f.dirty[i] = nil
	}
	f.dirty = f.dirty[:0]
}

// flush writes as much as there is room for, and leaves the rest to a goroutine.
func (k *conn) flush(ended *sync.WaitGroup) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listed = false
	if k.dead || k.writing {
		return
	}
	n := 0
	_ = k.raw.Write(func(fd uintptr) bool {
		n, _ = syscall.Write(int(fd), k.owed)
		return true // never wait
	})
	n = max(n, 0)
	k.owed = k.owed[:copy(k.owed, k.owed[n:])]
	if len(k.owed) > 0 {
		k.writing = true
		ended.Go(k.write)
	}
}

// write writes what is owed, waiting for room.
func (k *conn) write() {
	var b []byte
	for {
		k.mu.Lock()
		if len(k.owed) == 0 || k.dead {
			k.writing = false
			k.mu.Unlock()
			return
		}
		b, k.owed = k.owed, b[:0]
		k.mu.Unlock()
		if _, err := k.c.Write(b); err != nil {
			_ = k.c.Close() // its reader ends, and drops it
			return
		}
	}
}

// Close closes the socket and all connections, and waits.
func (f *Front) Close() error {
	err := f.listener.Close()
	f.mu.Lock()
	f.closed = true
	for _, k := range f.conns { //tidy:unordered all are closed
		_ = k.c.Close()
	}
	f.mu.Unlock()
	f.ended.Wait()
	if err != nil {
		return &OpError{"close", err}
	}
	return nil
}

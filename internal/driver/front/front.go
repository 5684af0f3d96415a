// Package front is where clients of replicated services come in: a Unix socket, whose peers the
// kernel names and whose file's mode says who may. What is sent both ways is docs/rfc/0021-front.md:
// a length and as many bytes, again and again.
//
// Answers are written by whoever has them, without waiting: what a client's socket has no
// room for is written by a goroutine of its own. A client that takes nothing, or sends what
// makes no sense, loses its connection and nobody else does.
//
// Memory is bounded for each connection and for all (limits.go): what is kept follows what has
// come, not what a client says will come.
package front

import (
	"errors"
	"io/fs"
	"net"
	"sync"
	"sync/atomic"
	"time"
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
	// Path is of the socket; a stale one is replaced, one that answers is not, nor is anything else that is
	// there. Its folder is made.
	Path string
	Mode fs.FileMode
	Most int // bytes of a request
	// Serve takes a request, valid during the call; false: there is no room, and the client asks again. It is called by
	// a goroutine of each client.
	Serve func(client uint64, request []byte) bool
	Gone  func(client uint64) // no request of this client comes any more; nil: nobody wants to know
}

// Front takes connections until it is closed. Send and Flush are for one goroutine at a
// time.
type Front struct {
	cfg      Config
	listener *net.UnixListener
	dirty    []*conn
	ended    sync.WaitGroup
	stop     chan struct{} // closed by Close
	room     chan struct{} // for long requests
	owed     atomic.Int64  // to all clients

	mu     sync.Mutex
	conns  map[uint64]*conn
	last   uint64
	closed bool
}

// Listen opens the socket and takes connections.
func Listen(cfg Config) (*Front, error) {
	l, err := listenUnix(cfg.Path, cfg.Mode)
	if err != nil {
		return nil, &OpError{"listen", err}
	}
	f := &Front{cfg: cfg, listener: l, conns: map[uint64]*conn{}, stop: make(chan struct{}), room: make(chan struct{}, longMax)}
	f.ended.Go(func() { f.accept(l.AcceptUnix) })
	return f, nil
}

// accept takes connections until the socket is closed.
func (f *Front) accept(next func() (*net.UnixConn, error)) {
	for {
		c, err := next()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// No descriptors, as a rule: there may be some again when a client goes.
			f.pause(acceptPause)
			continue
		}
		f.take(c)
	}
}

// take begins to read a connection, if there may be one more.
func (f *Front) take(c *net.UnixConn) {
	raw, err := c.SyscallConn()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || f.closed || len(f.conns) == clientsMax {
		_ = c.Close()
		return
	}
	f.last++
	k := &conn{id: f.last, process: processOf(raw, f.last), c: c, raw: raw, all: &f.owed}
	f.conns[k.id] = k
	f.ended.Go(func() { f.read(k) })
}

// read takes a client's requests until it goes, or sends what is none.
func (f *Front) read(k *conn) {
	defer f.drop(k)
	s := newFrames(k.c, f.cfg.Most, f.room, f.stop)
	defer s.done()
	for {
		request, err := s.next()
		if err != nil {
			return
		}
		if !f.cfg.Serve(k.id, request) {
			f.pause(fullPause)
		}
	}
}

// pause waits, unless the front is closed meanwhile.
func (f *Front) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.stop:
	}
}

func (f *Front) drop(k *conn) {
	f.mu.Lock()
	delete(f.conns, k.id)
	f.mu.Unlock()
	k.mu.Lock()
	k.cut()
	k.mu.Unlock()
	if f.cfg.Gone != nil {
		f.cfg.Gone(k.id)
	}
}

// Process names the process that has made a client's connection, as the kernel does; a process that the kernel has no
// number for here, in a container with numbers of its own, is as many as it has connections. 0: the client is gone.
func (f *Front) Process(client uint64) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.conns[client]; k != nil {
		return k.process
	}
	return 0
}

// The kinds of what a client is sent.
const (
	Reply  = 0 // to a request
	Notice = 1 // unasked
	Job    = 2 // of a call that runs long
)

// Send sends bytes to a client at the next Flush. One that is gone gets nothing.
func (f *Front) Send(client uint64, kind byte, b []byte) {
	f.mu.Lock()
	k := f.conns[client]
	f.mu.Unlock()
	if k != nil && k.put(kind, b) {
		f.dirty = append(f.dirty, k)
	}
}

// Post sends bytes to a client now. Any goroutine may call it.
func (f *Front) Post(client uint64, kind byte, b []byte) {
	f.mu.Lock()
	k := f.conns[client]
	f.mu.Unlock()
	if k != nil && k.put(kind, b) {
		k.flush(&f.ended)
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

// Close closes the socket and all connections, and waits. What is owed then is lost. Again, it does nothing.
func (f *Front) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		f.ended.Wait()
		return nil
	}
	f.closed = true
	close(f.stop)
	err := f.listener.Close()
	for _, k := range f.conns { //tidy:unordered all are closed
		_ = k.c.Close()
	}
	f.mu.Unlock()
	f.ended.Wait()
	if err != nil {
		return &OpError{"close " + f.cfg.Path, err}
	}
	return nil
}

package front

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is one client's connection.
type conn struct {
	id      uint64
	process uint64
	c       *net.UnixConn
	raw     syscall.RawConn
	all     *atomic.Int64 // bytes owed to all clients

	mu      sync.Mutex
	owed    []byte
	listed  bool // it is in the front's dirty ones
	writing bool // a goroutine writes what is owed
	dead    bool
}

// put adds what the client is sent. It reports whether somebody has to flush.
func (k *conn) put(kind byte, b []byte) (flush bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := headSize + 1 + len(b)
	switch {
	case k.dead:
		return false
	case len(k.owed)+n > owedMax || k.writing && k.all.Load()+int64(n) > owedAll:
		k.cut()
		return false
	}
	k.all.Add(int64(n))
	k.owed = binary.BigEndian.AppendUint32(k.owed, uint32(1+len(b)))
	k.owed = append(k.owed, kind)
	k.owed = append(k.owed, b...)
	if k.listed || k.writing {
		return false
	}
	k.listed = true
	return true
}

// cut ends the connection: its reader ends, and drops it. The caller has the lock.
func (k *conn) cut() {
	if !k.dead {
		k.dead = true
		k.all.Add(-int64(len(k.owed)))
		k.owed = nil
		_ = k.c.Close()
	}
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
	n = max(n, 0) // what is wrong the goroutine will see
	k.all.Add(-int64(n))
	rest := k.owed[n:]
	if len(rest) == 0 {
		k.owed = kept(k.owed)
		return
	}
	k.owed = k.owed[:copy(k.owed, rest)]
	k.writing = true
	ended.Go(k.write) // the reader runs, or k were dead: nobody has waited yet
}

// write writes what is owed, waiting for room.
func (k *conn) write() {
	var b []byte
	for {
		k.mu.Lock()
		if len(k.owed) == 0 || k.dead {
			k.writing = false
			k.owed = kept(k.owed)
			k.mu.Unlock()
			return
		}
		b, k.owed = k.owed, kept(b)
		k.mu.Unlock()
		err := k.send(b)
		k.all.Add(-int64(len(b)))
		if err != nil {
			k.mu.Lock()
			k.cut()
			k.mu.Unlock()
			return
		}
	}
}

// send writes bytes, for as long as the client takes some now and then.
func (k *conn) send(b []byte) error {
	for len(b) > 0 {
		if err := k.c.SetWriteDeadline(time.Now().Add(takeMost)); err != nil {
			return err
		}
		n, err := k.c.Write(b[:min(len(b), keptMax)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// kept is a buffer for what comes next, unless it has become too large to be kept.
func kept(b []byte) []byte {
	if cap(b) > keptMax {
		return nil
	}
	return b[:0]
}

package locks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/guard"
	"github.com/holdfast-ha/holdfast/lock"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// role makes the test binary, run again by a test, the program of a member or of a client.
const role = "HOLDFAST_TEST_ROLE"

func TestMain(m *testing.M) {
	programs := map[string]func(*settings) error{"member": member, "client": holder, "caller": call, "disks": holdDisks, "peer": peer}
	if run, is := programs[os.Getenv(role)]; is {
		var s settings
		err := json.NewDecoder(os.Stdin).Decode(&s)
		if err == nil {
			plant(s.Bug)
			err = run(&s)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// settings are what a process is told.
type settings struct {
	History string
	Bug     string          // planted, in a build with the tag canary
	Node    holdfast.Config // of a member or a peer
	Socket  string          // of a member
	Style   holdfast.Style  // of a member: of its services
	Cells   string          // of a member: the socket of the other service; "": it has none
	Data    string          // of a member: the folder of what its services keep; "": nothing
	Window  time.Duration   // of a member: for how long the lock service hears from clients when it begins with nothing; of a client: it is so

	Client  int // from 1
	Sockets []string
	Padding int      // of a caller: bytes that each call has in vain
	Locks   []string // names; the files have these names in Files
	Files   string
	Lease   time.Duration
	Seed    uint64
	Work    int // milliseconds that a step of the work takes at most; 30 at least
}

// now is the kernel's monotonic clock.
func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// record is a line of a history.
type record struct {
	At   time.Duration
	Kind string // executed, ended, serving, final; holds, gone; called, answered, unknown, unexecuted

	// Of a member: of which service, the place in the agreed order, and what happened there.
	Of      string // "" for the locks
	Era     uint64 // in which epoch the service began, if it keeps nothing
	Index   uint64
	Session uint64
	Body    []byte
	Reply   []byte
	Notices []notice
	Sums    []uint64 // final: of all that is in the state, in order

	// Of a caller.
	Call  uint64
	Op    uint8
	Key   uint32
	Value uint64

	// Of a client.
	Lock   string
	Token  uint64
	Shared bool
}

type notice struct {
	Session uint64
	Body    []byte
}

// history is a file of records.
type history struct {
	mu sync.Mutex
	f  *os.File
}

func openHistory(path string) (*history, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &history{f: f}, err
}

func (h *history) add(r record) {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := h.f.Write(append(b, '\n')); err != nil {
		panic(err)
	}
}

// member serves until its input ends.
func member(s *settings) error {
	h, err := openHistory(s.History)
	if err != nil {
		return err
	}
	locks, err := service.New(service.Config{Window: s.Window})
	if err != nil {
		return err
	}
	if s.Data != "" {
		s.Node.Logger = slog.New(slog.NewTextHandler(os.Stdout, nil)) // says what is found on the disk
	}
	node, err := holdfast.Open(s.Node)
	if err != nil {
		return err
	}
	all := []*observed{{Service: locks, h: h}}
	kept := []holdfast.ServiceConfig{{Name: "locks", Service: all[0], Socket: s.Socket}}
	if s.Cells != "" {
		all = append(all, &observed{Service: newCells(), of: "cells", h: h})
		kept = append(kept, holdfast.ServiceConfig{Name: "cells", Service: all[1], Socket: s.Cells})
	}
	var serving []*holdfast.Service
	for _, k := range kept {
		k.Style = s.Style
		if s.Data != "" {
			k.Data = filepath.Join(s.Data, k.Name)
		}
		at, err := node.Serve(k)
		if err != nil {
			return err
		}
		serving = append(serving, at)
	}
	told := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		for _, o := range all {
			o.final()
		}
		close(told)
		_ = node.Close()
	}()
	for _, at := range serving {
		for !at.Await(time.Second) {
			select {
			case <-told:
				return nil
			case <-at.Done():
				return at.Err()
			default:
			}
		}
	}
	h.add(record{At: now(), Kind: "serving"})
	<-serving[0].Done()
	select {
	case <-told:
		return nil
	default:
		return serving[0].Err()
	}
}

// client holds locks and writes to their files until its input ends.
type client struct {
	*settings
	h      *history
	k      *lock.Client
	files  map[string]*guard.File
	chance *rand.Rand
}

func holder(s *settings) error {
	h, err := openHistory(s.History)
	if err != nil {
		return err
	}
	c := &client{s, h, nil, map[string]*guard.File{}, rand.New(rand.NewPCG(s.Seed, uint64(s.Client)))}
	if c.k, err = lock.Open(lock.Config{Servers: s.Sockets, Lease: s.Lease, Label: fmt.Sprint(s.Client)}); err != nil {
		return err
	}
	for _, name := range s.Locks {
		if c.files[name], err = guard.NewFile(s.Files+name, name); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	for ctx.Err() == nil {
		if err := c.turn(ctx); err != nil {
			return err
		}
	}
	last, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.k.Close(last); err != nil {
		return err
	}
	h.add(record{At: now(), Kind: "gone"})
	return nil
}

// turn enters a lock once, one way or another.
func (c *client) turn(ctx context.Context) error {
	o := lock.Options{Shared: c.chance.IntN(3) == 0, Try: c.chance.IntN(8) == 0}
	if c.chance.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.chance.IntN(500))*time.Millisecond)
		defer cancel()
	}
	l, err := c.k.Enter(ctx, c.Locks[c.chance.IntN(len(c.Locks))], o)
	switch {
	case errors.Is(err, lock.ErrHeld), errors.Is(err, lock.ErrRecovering):
		c.pause(ctx, ctx, 20)
		return nil
	case err != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)):
		return nil // the client may have looked at its clock before the context did
	case err != nil:
		return err
	}
	steps := c.chance.IntN(6)
	if c.Window > 0 && c.chance.IntN(4) == 0 {
		steps += 100 // over a loss of all members
	}
	for range steps {
		if !c.holds(l, o.Shared) {
			break
		}
		c.pause(ctx, l.Context(), max(c.Work, 30))
		if c.chance.IntN(3) == 0 && c.holds(l, o.Shared) {
			if err := c.write(l, o.Shared); err != nil {
				return err
			}
		}
	}
	last, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.Leave(last) // lost or not: the next turn will see
	return nil
}

// holds says whether the lock is held, and records that it was before it was asked.
func (c *client) holds(l *lock.Lock, shared bool) bool {
	r := record{At: now(), Kind: "holds", Lock: l.Name(), Token: l.Token(), Shared: shared}
	if !l.Holds() {
		return false
	}
	c.h.add(r)
	return true
}

// write appends a line to the file of a lock.
func (c *client) write(l *lock.Lock, shared bool) error {
	ctx, cancel := context.WithTimeout(l.Context(), 5*time.Second)
	defer cancel()
	err := c.files[l.Name()].Update(ctx, guard.Token{Lock: l.Name(), Number: l.Token(), Shared: shared}, func(f *os.File) error {
		if _, err := f.Seek(0, io.SeekEnd); err != nil {
			return err
		}
		_, err := fmt.Fprintf(f, "\n%d %d %d %v .", now(), c.Client, l.Token(), shared)
		return err
	})
	if errors.Is(err, guard.ErrStale) || ctx.Err() != nil {
		return nil
	}
	return err
}

// pause waits for up to so many milliseconds, or for the end of one of two contexts.
func (c *client) pause(a, b context.Context, most int) {
	t := time.NewTimer(time.Duration(c.chance.IntN(most)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.Done():
	case <-b.Done():
	}
}

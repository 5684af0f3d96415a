package load

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// pretended is a service of locks in this process, that may grant too much or fail.
type pretended struct {
	mu     sync.Mutex
	locks  map[string]*sync.Mutex
	broken bool // grants to everybody
	fails  int  // the enter of this number fails, from 1
	enters int
	closed int
}

func (p *pretended) Leader(context.Context) (int, error) { return 1, nil }

func (p *pretended) Open(context.Context) (Session, error) { return &holder{p: p}, nil }

type holder struct {
	p    *pretended
	held *sync.Mutex
}

func (h *holder) Enter(_ context.Context, name string) error {
	h.p.mu.Lock()
	h.p.enters++
	failed := h.p.enters == h.p.fails
	l := h.p.locks[name]
	if l == nil || h.p.broken {
		l = new(sync.Mutex)
		h.p.locks[name] = l
	}
	h.p.mu.Unlock()
	if failed {
		return errors.New("no")
	}
	l.Lock()
	h.held = l
	return nil
}

func (h *holder) Leave(context.Context) error {
	h.held.Unlock()
	return nil
}

func (h *holder) Close() { h.p.closed++ }

func TestContendersAreMeasured(t *testing.T) {
	for _, same := range []bool{false, true} {
		p := &pretended{locks: map[string]*sync.Mutex{}}
		var moments []string
		r, err := Run(t.Context(), Order{Contenders: 4, Same: same, Time: 20 * time.Millisecond}, p, func(m string) { moments = append(moments, m) })
		if err != nil || r.Fault != "" {
			t.Fatal(err, r.Fault)
		}
		if r.Cycles == 0 || r.P50 <= 0 || r.P99 < r.P50 || r.Elapsed < 20*time.Millisecond || r.Pause <= 0 || r.Pause > r.Elapsed {
			t.Errorf("the result is %+v", r)
		}
		if strings.Join(moments, " ") != "begin end" || p.closed != 4 {
			t.Errorf("moments %v, %d sessions closed", moments, p.closed)
		}
		if want := map[bool]int{false: 4, true: 1}[same]; len(p.locks) != want {
			t.Errorf("same=%v: %d locks", same, len(p.locks))
		}
	}
}

func TestAFaultIsTold(t *testing.T) {
	p := &pretended{locks: map[string]*sync.Mutex{}, fails: 3}
	r, err := Run(t.Context(), Order{Contenders: 1, Time: time.Minute}, p, func(string) {})
	if err != nil || r.Fault != "enter bench-0: no" || r.Cycles != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTwoInsideAreSeen(t *testing.T) {
	p := &pretended{locks: map[string]*sync.Mutex{}, broken: true}
	r, err := Run(t.Context(), Order{Contenders: 8, Same: true, Time: 10 * time.Second}, p, func(string) {})
	if err == nil && !strings.Contains(r.Fault, "inside bench") {
		t.Errorf("nobody noticed: %+v", r)
	}
}

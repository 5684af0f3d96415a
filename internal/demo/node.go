package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// node is one firewall with its `holdfast run`, through as many lives as it is given.
// It is safe for concurrent use.
type node struct {
	bed                   *lab.Node
	program, file, socket string
	told                  func(n *node, e entry) // a line of the log; not from several goroutines at once
	wait                  sync.WaitGroup         // for what belongs to lives

	mu     sync.Mutex
	life   *lab.Command
	ended  bool // the life has, by itself or not
	last   last // of what it wrote, for when it ends by itself
	status control.Status
	known  bool        // status is of this life
	active []time.Time // when it became active, of all lives
}

func (n *node) name() string { return n.bed.Name() }

// start begins a life, which ends with ctx at the latest.
func (n *node) start(ctx context.Context) error {
	c := n.bed.Command(n.program, "run", "-c", n.file)
	// A group of its own: Ctrl-C is for the demonstration, which then ends the node.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Stderr = &lines{take: n.heard}
	n.mu.Lock()
	n.life, n.ended, n.known, n.last = c, false, false, nil
	n.mu.Unlock()
	if err := c.Start(); err != nil {
		return err
	}
	alive, over := context.WithCancel(ctx)
	n.wait.Go(func() {
		_ = c.Wait() // how it ended is in its last lines
		over()
		n.mu.Lock()
		n.ended, n.known = true, false
		n.mu.Unlock()
	})
	n.wait.Go(func() { n.watch(alive) })
	return nil
}

// kill ends the life as a power cut does.
func (n *node) kill() error {
	n.mu.Lock()
	c := n.life
	n.mu.Unlock()
	return c.Process.Kill()
}

// heard takes a line of the node's standard error.
func (n *node) heard(line []byte) {
	e, ok := readEntry(line)
	if !ok {
		n.mu.Lock()
		n.last.add(string(line))
		n.mu.Unlock()
		return
	}
	n.mu.Lock()
	if e.Level == "ERROR" || e.Level == "WARN" {
		n.last.add(e.raw())
	}
	if e.Message == logActivated && len(n.active) < eventsMax {
		n.active = append(n.active, e.At)
	}
	n.mu.Unlock()
	n.told(n, e)
}

// redialEvery is how soon a control socket that does not answer is tried again.
const redialEvery = 30 * time.Millisecond

// watch keeps the status up to date by way of the node's control socket.
func (n *node) watch(ctx context.Context) {
	for ctx.Err() == nil {
		client, err := control.Dial(n.socket)
		if err == nil {
			// Its end is the node's, which is noticed otherwise, or a stale socket.
			_ = client.Watch(ctx, func(st control.Status) error {
				n.mu.Lock()
				n.status, n.known = st, true
				n.mu.Unlock()
				return nil
			})
			client.Close()
		}
		select {
		case <-time.After(redialEvery):
		case <-ctx.Done():
		}
	}
}

// look gives the latest status; false if there is none of this life.
func (n *node) look() (control.Status, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status, n.known
}

// health is an error if the node has ended by itself.
func (n *node) health() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.ended {
		return nil
	}
	if len(n.last) == 0 {
		return fmt.Errorf("%s has ended without a word", n.name())
	}
	return fmt.Errorf("%s has ended: %s", n.name(), strings.Join(n.last, "; "))
}

// activeSince is how long after a time the node became active for the first time; zero
// if it has not.
func (n *node) activeSince(at time.Time) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range n.active {
		if after := t.Sub(at.Round(0)); after > 0 { // log lines have no monotonic time
			return after
		}
	}
	return 0
}

// ask asks the node for its role now.
func (n *node) ask(ctx context.Context) control.Role {
	client, err := control.Dial(n.socket)
	if err != nil {
		return ""
	}
	defer client.Close()
	st, err := client.Status(ctx)
	if err != nil {
		return ""
	}
	return st.Role
}

// role is what the node says it is; "" if it says nothing.
func (n *node) role() control.Role {
	st, ok := n.look()
	if !ok {
		return ""
	}
	return st.Role
}

// protected says whether the node serves, and another one would take over with a
// proven copy of at least so many flows. The verdict does not say that: it minds more.
func (n *node) protected(flows int) bool {
	st, ok := n.look()
	if !ok || st.Role != control.Active || st.Survives == 0 || st.Flows.Own < flows {
		return false
	}
	for _, p := range st.Peers {
		if p.Alive && p.Ready && p.Proof.Confirmed >= flows {
			return true
		}
	}
	return false
}

// why is what stands between a node and being protected, in words.
func (n *node) why() string {
	st, ok := n.look()
	switch {
	case !ok:
		return n.name() + " does not answer"
	case len(st.Why) > 0:
		return fmt.Sprintf("%s is %s: %s", n.name(), st.Role, strings.Join(st.Why, ", "))
	}
	return fmt.Sprintf("%s is %s with %s", n.name(), st.Role, control.Count(st.Flows.Own, "flow"))
}

// handOver is a planned switch.
func (n *node) handOver(ctx context.Context) (control.SwitchResult, error) {
	client, err := control.Dial(n.socket)
	if err != nil {
		return control.SwitchResult{}, err
	}
	defer client.Close()
	r, err := client.Switch(ctx, "")
	var refusal *control.Refusal
	if errors.As(err, &refusal) && refusal.Action != "" {
		return r, fmt.Errorf("%w; try: %s", err, refusal.Action)
	}
	return r, err
}

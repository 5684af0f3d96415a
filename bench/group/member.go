package group

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/bench/process"
)

// sight is one view as a member told it.
type sight struct {
	members int
	at      int64 // CLOCK_MONOTONIC, nanoseconds
}

// member is a process that speaks the lines of package line.
type member struct {
	*process.Process
	node   *Node
	orders io.WriteCloser

	mu      sync.Mutex
	views   []sight
	faults  []string
	answers map[string]chan []string
	changed chan struct{} // closed and made anew when views or faults have changed
}

// launchMember starts one, with its pipes.
func launchMember(n *Node, folder, name string, args ...string) (*member, error) {
	m := &member{node: n, answers: map[string]chan []string{}, changed: make(chan struct{})}
	for _, verb := range []string{"sent", "count", "latency", "role"} {
		m.answers[verb] = make(chan []string, 16)
	}
	// Files and not io.Pipe: with a file the process writes to us without a goroutine of
	// os/exec between.
	theirs, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	said, lines, err := os.Pipe()
	if err != nil {
		orders.Close()
		return nil, err
	}
	defer lines.Close()
	m.orders = orders
	if m.Process, err = process.Launch(n.machine, folder, theirs, lines, name, args...); err != nil {
		orders.Close()
		said.Close()
		return nil, err
	}
	go m.listen(said)
	return m, nil
}

// listen sorts what the member says, until it ends.
func (m *member) listen(said io.ReadCloser) {
	defer said.Close()
	for lines := bufio.NewScanner(said); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if answers := m.answers[fields[0]]; answers != nil {
			select {
			case answers <- fields[1:]:
			default: // more than were asked for; the next question will find them wrong
			}
			continue
		}
		fault, isFault := strings.CutPrefix(lines.Text(), "fault ")
		members, at, isView := parseView(fields)
		if !isFault && !isView {
			continue // libraries write to the standard output too
		}
		m.mu.Lock()
		if isView {
			m.views = append(m.views, sight{members, at})
		} else {
			m.faults = append(m.faults, fault)
		}
		close(m.changed)
		m.changed = make(chan struct{})
		m.mu.Unlock()
	}
}

func parseView(fields []string) (members int, at int64, ok bool) {
	if len(fields) != 3 || fields[0] != "view" {
		return 0, 0, false
	}
	members, err := strconv.Atoi(fields[1])
	at, err2 := strconv.ParseInt(fields[2], 10, 64)
	return members, at, err == nil && err2 == nil
}

// awaitView waits for a view of so many members that was told after a moment, and that
// is the last for now; it gives the moment of it.
func (m *member) awaitView(members int, after int64, most time.Duration) (at int64, err error) {
	limit := time.NewTimer(most)
	defer limit.Stop()
	for {
		m.mu.Lock()
		changed, last := m.changed, sight{}
		if len(m.views) > 0 {
			last = m.views[len(m.views)-1]
		}
		m.mu.Unlock()
		if last.members == members && last.at > after {
			return last.at, nil
		}
		select {
		case <-changed:
		case <-m.Ended():
			return 0, m.wrong(errors.New("it has ended"))
		case <-limit.C:
			return 0, m.wrong(fmt.Errorf("it has no view of %d members after %v, the last is of %d", members, most, last.members))
		}
	}
}

// wrong adds what is known of the member to an error.
func (m *member) wrong(err error) error {
	m.mu.Lock()
	said := strings.Join(m.faults[max(0, len(m.faults)-3):], "; ")
	m.mu.Unlock()
	if said != "" {
		said = "\nit said: " + said
	}
	return &OpError{"member on " + m.node.Name, fmt.Errorf("%w%s\n%s", err, said, m.LastLines())}
}

// order gives an order.
func (m *member) order(format string, args ...any) error {
	if _, err := fmt.Fprintf(m.orders, format+"\n", args...); err != nil {
		return m.wrong(err)
	}
	return nil
}

// await waits for the answer to an order, numbers all.
func (m *member) await(verb string, most time.Duration) ([]string, error) {
	limit := time.NewTimer(most)
	defer limit.Stop()
	select {
	case answer := <-m.answers[verb]:
		return answer, nil
	case <-m.Ended():
		return nil, m.wrong(errors.New("it has ended"))
	case <-limit.C:
		return nil, m.wrong(fmt.Errorf("it did not answer %q within %v", verb, most))
	}
}

// count is what a member has delivered.
type count struct {
	messages, bytes, sum uint64
	at                   int64
}

// awaitCount takes the answer to the order count.
func (m *member) awaitCount() (c count, err error) {
	answer, err := m.await("count", answerMost)
	if err != nil {
		return c, err
	}
	if _, err := fmt.Sscan(strings.Join(answer, " "), &c.messages, &c.bytes, &c.sum, &c.at); err != nil {
		return c, m.wrong(fmt.Errorf("it counts %q: %w", answer, err))
	}
	return c, nil
}

// quit ends it, without asking: whether it leaves in good order is not measured.
func (m *member) quit() {
	m.orders.Close()
	m.Kill()
}

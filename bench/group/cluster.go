package group

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/bench/group/line"
	"github.com/holdfast-ha/holdfast/bench/process"
	"github.com/holdfast-ha/holdfast/bench/usage"
)

// Cluster is three members that are one group.
type Cluster struct {
	program *Program
	members []*member
	daemons map[int][]*process.Process // by the member's number: what it speaks with
	roles   []string                   // by member
}

// Start starts a program on the bed's machines and returns when all have the view of all.
// The folder is an empty one for files.
func (p *Program) Start(ctx context.Context, bed *Bed, folder string) (*Cluster, error) {
	c := &Cluster{program: p, daemons: map[int][]*process.Process{}}
	for _, n := range bed.Nodes {
		err := ctx.Err()
		if err == nil {
			err = p.start(c, &starting{p, bed, n, folder})
		}
		if err == nil && p.sequential {
			_, err = c.members[len(c.members)-1].awaitView(n.Number, 0, formMost)
		}
		if err != nil {
			c.Close()
			return nil, &OpError{fmt.Sprintf("start %s on %s", p, n.Name), err}
		}
	}
	for _, m := range c.members {
		_, err := m.awaitView(Members, 0, formMost)
		if err == nil {
			err = c.askRole(m)
		}
		if err != nil {
			c.Close()
			return nil, &OpError{fmt.Sprintf("form a group of %s", p), err}
		}
	}
	if p.warm > 0 {
		if _, err := c.Throughput(ctx, 1024, Members, p.warm); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *Cluster) askRole(m *member) error {
	if err := m.order("role"); err != nil {
		return err
	}
	answer, err := m.await("role", answerMost)
	if err != nil {
		return err
	}
	c.roles = append(c.roles, strings.Join(answer, " "))
	return nil
}

// senders gives so many members, that which leads first.
func (c *Cluster) senders(many int) []*member {
	var first, others []*member
	for i, m := range c.members {
		if c.roles[i] == "leads" {
			first = append(first, m)
		} else {
			others = append(others, m)
		}
	}
	return append(first, others...)[:many]
}

// Flow is how much was delivered in a window of time.
type Flow struct {
	Messages float64 // a second, at the median of the members
	Bytes    float64 // the same, of messages
	CPU      float64 // seconds of processors in a second, of all members and their daemons
	// Late is how many messages the member that delivered least lacks eight seconds after
	// all senders have ended: it is far behind, or they are lost.
	Late uint64
	// Disorder: members that delivered equally many did not deliver the same in the same order.
	Disorder bool
}

// Throughput lets members multicast flat out and counts what is delivered in a window.
func (c *Cluster) Throughput(ctx context.Context, size, senders int, window time.Duration) (f Flow, err error) {
	sending := c.senders(senders)
	while := warmTime + window + tailTime
	for _, m := range sending {
		if err := m.order("send %d %d", size, while.Milliseconds()); err != nil {
			return f, err
		}
	}
	var counts [2][]count
	var uses [2]usage.Use
	var moments [2]time.Time // a starved bench is late
	for i, pause := range []time.Duration{warmTime, window} {
		if err := wait(ctx, pause); err != nil {
			return f, err
		}
		moments[i] = time.Now()
		if uses[i], err = c.use(); err != nil {
			return f, err
		}
		if counts[i], err = c.counts(); err != nil {
			return f, err
		}
	}
	for _, m := range sending {
		if _, err := m.await("sent", while+sentMost); err != nil {
			return f, err
		}
	}
	var messages, bytes middle
	for i, first := range counts[0] {
		last := counts[1][i]
		seconds := float64(last.at-first.at) / 1e9
		messages = append(messages, float64(last.messages-first.messages)/seconds)
		bytes = append(bytes, float64(last.bytes-first.bytes)/seconds)
	}
	f.Messages, f.Bytes = messages.median(), bytes.median()
	f.CPU = uses[1].Since(uses[0]).CPU.Seconds() / moments[1].Sub(moments[0]).Seconds()
	return f, c.drain(ctx, &f)
}

// drain waits until all members have delivered the same, or nothing more comes.
func (c *Cluster) drain(ctx context.Context, f *Flow) error {
	var before []count
	since, end := time.Now(), time.Now().Add(drainMost)
	for {
		now, err := c.counts()
		if err != nil {
			return err
		}
		least, most, same := now[0].messages, now[0].messages, true
		for i, n := range now {
			least, most = min(least, n.messages), max(most, n.messages)
			same = same && n.sum == now[0].sum
			if before == nil || before[i].messages != n.messages {
				since = time.Now()
			}
		}
		before = now
		calm := time.Since(since) >= calmTime
		if calm && least == most || time.Now().After(end) {
			f.Late, f.Disorder = most-least, least == most && !same
			return c.fault()
		}
		if err := wait(ctx, drainEvery); err != nil {
			return err
		}
	}
}

// fault is what the first member said that has something to complain of, nil for nothing.
func (c *Cluster) fault() error {
	for _, m := range c.members {
		m.mu.Lock()
		faults := len(m.faults)
		m.mu.Unlock()
		if faults > 0 {
			return m.wrong(errors.New("it is not well"))
		}
	}
	return nil
}

func (c *Cluster) counts() (all []count, err error) {
	for _, m := range c.members {
		if err := m.order("count"); err != nil {
			return nil, err
		}
	}
	for _, m := range c.members {
		n, err := m.awaitCount()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// use is what all processes of the cluster have used.
func (c *Cluster) use() (sum usage.Use, err error) {
	for _, m := range c.members {
		for _, p := range append(c.daemons[m.node.Number], m.Process) {
			u, err := p.Use()
			if err != nil {
				return sum, err
			}
			sum = sum.Plus(u)
		}
	}
	return sum, nil
}

// Delay is the time from the call that multicasts to the own delivery, with one message
// under way.
type Delay struct {
	Times    int
	P50, P99 time.Duration
}

// Latency measures at the member that leads, or at one that follows; where all are equal
// the two are two members. While bounds the time for all of it.
func (c *Cluster) Latency(size, times int, follower bool, while time.Duration) (d Delay, err error) {
	m := c.senders(Members)[0]
	if follower {
		m = c.senders(Members)[Members-1]
	}
	if err := m.order("latency %d %d %d", size, times, while.Milliseconds()); err != nil {
		return d, err
	}
	answer, err := m.await("latency", while+sentMost)
	if err != nil {
		return d, err
	}
	if _, err := fmt.Sscan(strings.Join(answer, " "), &d.Times, &d.P50, &d.P99); err != nil {
		return d, m.wrong(fmt.Errorf("its latency is %q: %w", answer, err))
	}
	if d.P50 == 0 {
		return d, m.wrong(fmt.Errorf("no message of its own came back"))
	}
	return d, nil
}

// Kill kills what runs on the node of the member that leads, by SIGKILL, and gives the
// time until the last of the survivors told the view without it. Nothing else can be
// measured on the cluster after.
func (c *Cluster) Kill() (time.Duration, error) {
	victim := c.senders(1)[0]
	began := line.Now()
	// The daemon first: one that outlives its member tells the others that it has gone.
	for _, d := range c.daemons[victim.node.Number] {
		d.Signal()
	}
	victim.Signal()
	var latest int64
	for _, m := range c.members {
		if m == victim {
			continue
		}
		at, err := m.awaitView(Members-1, began, viewMost)
		if err != nil {
			return 0, err
		}
		latest = max(latest, at)
	}
	return time.Duration(latest - began), nil
}

// Close ends all of it and waits.
func (c *Cluster) Close() {
	for _, m := range c.members {
		m.quit()
		for _, d := range c.daemons[m.node.Number] {
			d.Kill()
		}
	}
	for _, m := range c.daemons {
		for _, d := range m {
			d.Kill() // of a node whose member could not be started
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package locks

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/bench/group"
	"github.com/holdfast-ha/holdfast/bench/locks/load"
	"github.com/holdfast-ha/holdfast/bench/process"
	"github.com/holdfast-ha/holdfast/bench/usage"
)

// Cluster is three members that serve.
type Cluster struct {
	program *Program
	nodes   []*group.Node
	folder  string
	folders []string // of the members
	servers []string // where clients come in, by member
	members []*process.Process
}

// Start starts a program on the bed's machines and returns when every member serves. The folder
// is an empty one for files. A detection of 0 is the program's default.
func (p *Program) Start(ctx context.Context, bed *group.Bed, folder string, detection time.Duration) (*Cluster, error) {
	c := &Cluster{program: p, nodes: bed.Nodes[:], folder: folder}
	var addresses []string
	for _, n := range bed.Nodes {
		addresses = append(addresses, n.Address)
	}
	for i, n := range bed.Nodes {
		m := &member{Program: p, number: i + 1, addresses: addresses, folder: filepath.Join(folder, n.Name), detection: detection}
		if err := c.start(n, m); err != nil {
			c.Close()
			return nil, &OpError{fmt.Sprintf("start %s on %s", p, n.Name), err}
		}
	}
	if err := c.await(ctx); err != nil {
		c.Close()
		return nil, &OpError{fmt.Sprintf("form a cluster of %s", p), err}
	}
	return c, nil
}

func (c *Cluster) start(n *group.Node, m *member) error {
	if err := os.Mkdir(m.folder, 0o700); err != nil {
		return err
	}
	c.folders = append(c.folders, m.folder)
	server := filepath.Join(m.folder, socketFile)
	if c.program.Spread {
		server = fmt.Sprintf("%s:%d", n.Address, etcdClientPort)
	}
	c.servers = append(c.servers, server)
	name, args, err := m.member(m)
	if err != nil {
		return err
	}
	p, err := process.Launch(n.Machine(), m.folder, nil, nil, name, args...)
	if err == nil {
		c.members = append(c.members, p)
	}
	return err
}

// await waits until a client has entered and left a lock at each member.
func (c *Cluster) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, formMost)
	defer cancel()
	for i, m := range c.members {
		for {
			short, stop := context.WithTimeout(ctx, formEvery)
			_, err := c.ask(short, "-servers", c.servers[i], "-time", "1ms")
			stop()
			if err == nil {
				break
			}
			if ctx.Err() != nil || m.Failed() {
				return fmt.Errorf("%s does not serve: %w\n%s", nameOf(i+1), err, m.LastLines())
			}
		}
	}
	return nil
}

// ask runs the contenders' program on the first machine and gives what it writes.
func (c *Cluster) ask(ctx context.Context, args ...string) (string, error) {
	var out, said bytes.Buffer
	command := exec.CommandContext(ctx, c.program.client, args...)
	command.Stdout, command.Stderr = &out, &said
	if err := c.nodes[0].Machine().Start(command); err != nil {
		return "", err
	}
	if err := command.Wait(); err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return out.String(), nil
}

// Place is at which member clients are.
type Place string

// The places.
const (
	Leader   Place = "leader"   // the one that puts commands in order
	Follower Place = "follower" // another
)

// Load is what contenders do.
type Load struct {
	Contenders int   `json:"contenders"`
	Same       bool  `json:"one_lock"` // all for one lock; else each has its own
	Place      Place `json:"place"`
}

// String gives "16 contenders, one lock".
func (l Load) String() string {
	text := fmt.Sprintf("%d contenders", l.Contenders)
	if l.Contenders == 1 {
		text = "1 contender"
	}
	switch {
	case l.Same:
		text += ", one lock"
	case l.Contenders > 1:
		text += ", a lock each"
	}
	if l.Place == Follower {
		text += ", at another member"
	}
	return text
}

// Flow is what they have done.
type Flow struct {
	load.Result
	Rate    float64       // enter and leave together, a second
	Members time.Duration // processor time of all members, for one enter and leave
	Clients time.Duration // and of the process of the contenders
}

// Measure lets contenders enter and leave for a time, and tells what they did.
func (c *Cluster) Measure(ctx context.Context, l Load, warm, while time.Duration) (f Flow, err error) {
	leader, err := c.program.leader(ctx, c)
	if err != nil {
		return f, err
	}
	at := leader
	if l.Place == Follower {
		at = leader%len(c.members) + 1
	}
	run, err := c.contend(at, warm+while, "-servers", c.servers[at-1], "-contenders", fmt.Sprint(l.Contenders),
		fmt.Sprintf("-same=%v", l.Same), "-warm", warm.String(), "-time", while.String())
	if err != nil {
		return f, err
	}
	defer run.Kill()
	var members [2]usage.Use
	for i, moment := range []string{"begin", "end"} {
		if err := run.until(moment); err != nil {
			return f, err
		}
		if members[i], err = c.use(); err != nil {
			return f, err
		}
	}
	if f.Result, err = run.result(); err != nil {
		return f, err
	}
	f.Rate = float64(f.Cycles) / f.Elapsed.Seconds()
	f.Members = members[1].Since(members[0]).CPU / time.Duration(f.Cycles)
	f.Clients = f.CPU / time.Duration(f.Cycles)
	return f, nil
}

const (
	// calmTime passes under load before a member is killed, and as much more, drawn by chance, lest timers
	// and kills beat in time.
	calmTime = 500 * time.Millisecond

	// takeoverTimes of the detection time, and takeoverTime more, is how long a client is watched: longer than
	// the slowest has taken.
	takeoverTimes = 4
	takeoverTime  = 2 * time.Second
)

// Takeover kills the member that leads by SIGKILL while a client that knows all members enters and leaves,
// and gives the longest time in which it completed nothing. Clients prefer the member
// at the place. Nothing else can be measured on the cluster after.
func (c *Cluster) Takeover(ctx context.Context, place Place, detection time.Duration) (load.Result, error) {
	leader, err := c.program.leader(ctx, c)
	if err != nil {
		return load.Result{}, err
	}
	var order []string // of the others, and the leader before or after them
	for i := range len(c.servers) - 1 {
		order = append(order, c.servers[(leader+i)%len(c.servers)])
	}
	if place == Leader {
		order = append([]string{c.servers[leader-1]}, order...)
	} else {
		order = append(order, c.servers[leader-1])
	}
	while := 2*calmTime + takeoverTimes*detection + takeoverTime
	args := []string{"-servers", strings.Join(order, ","), "-warm", calmTime.String(), "-time", while.String()}
	if c.program.try > 0 {
		args = append(args, "-try", (detection / time.Duration(c.program.try)).String())
	}
	// The client is on a machine that goes on.
	run, err := c.contend(leader%len(c.members)+1, while, args...)
	if err != nil {
		return load.Result{}, err
	}
	defer run.Kill()
	if err := run.until("begin"); err != nil {
		return load.Result{}, err
	}
	select {
	case <-time.After(calmTime + rand.N(calmTime)):
	case <-ctx.Done():
		return load.Result{}, ctx.Err()
	}
	c.members[leader-1].Signal()
	if err := run.until("end"); err != nil {
		return load.Result{}, err
	}
	return run.result()
}

// contenders are a process of them.
type contenders struct {
	*process.Process
	lines  *bufio.Reader
	output *os.File
	limit  *time.Timer
}

// contend starts contenders on a member's machine. They are killed when they take much longer than
// they should.
func (c *Cluster) contend(at int, while time.Duration, args ...string) (*contenders, error) {
	said, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p, err := process.Launch(c.nodes[at-1].Machine(), c.folder, nil, theirs, c.program.client, args...)
	if err != nil {
		said.Close()
		return nil, err
	}
	return &contenders{p, bufio.NewReader(said), said, time.AfterFunc(while+slackMost, p.Signal)}, nil
}

// until waits for a line.
func (r *contenders) until(moment string) error {
	line, err := r.lines.ReadString('\n')
	switch {
	case errors.Is(err, io.EOF):
		<-r.Ended()
		return fmt.Errorf("the contenders ended before %q:\n%s", moment, r.LastLines())
	case err != nil:
		return err
	case strings.TrimSpace(line) != moment:
		return fmt.Errorf("the contenders say %q instead of %q", strings.TrimSpace(line), moment)
	}
	return nil
}

// result reads what was measured, and waits for the end.
func (r *contenders) result() (result load.Result, err error) {
	if err := json.NewDecoder(r.lines).Decode(&result); err != nil {
		<-r.Ended()
		return result, fmt.Errorf("the contenders tell no result: %w\n%s", err, r.LastLines())
	}
	<-r.Ended()
	switch {
	case result.Fault != "":
		return result, errors.New(result.Fault)
	case result.Cycles == 0:
		return result, errors.New("the contenders have not entered and left once")
	}
	return result, nil
}

// Kill ends them.
func (r *contenders) Kill() {
	r.limit.Stop()
	r.Process.Kill()
	r.output.Close()
}

// use is what all members have used.
func (c *Cluster) use() (sum usage.Use, err error) {
	for _, m := range c.members {
		u, err := m.Use()
		if err != nil {
			return sum, err
		}
		sum = sum.Plus(u)
	}
	return sum, nil
}

// Close ends all of it and waits.
func (c *Cluster) Close() {
	for _, m := range c.members {
		m.Kill()
	}
	for _, folder := range c.folders {
		if data, err := os.Readlink(filepath.Join(folder, dataLink)); err == nil {
			_ = os.RemoveAll(data) // in memory
		}
	}
}

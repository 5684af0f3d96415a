package cohort

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ha/holdfast"
)

// Settings are what the program is told at its start, as one line of JSON on its standard
// input. Lines that follow are commands, see [Process.Tell].
type Settings struct {
	Node       holdfast.Config
	Group      string
	Partition  string
	Engine     string
	MessageMax int
	QueueMax   int

	History   string        // the file of its records; it must not be there yet
	Log       string        // the file of its log; "" for none
	Rate      int           // messages a second
	Largest   int           // bytes of a message
	Seed      uint64        // of its random choices
	Stateless bool          // the group has no state
	Ballast   int           // bytes that a snapshot has before the messages
	Dawdle    time.Duration // how long Restore waits before each piece that it reads
	JoinMax   time.Duration // how long a call of Join may take; 0 for a minute. It is called again
}

const (
	// headSize is what each message begins with: its number in the process's life, and how
	// many of these belong to times that the process was in the group before.
	headSize = 16

	// sendEvery is the interval in which messages are multicast, some at once.
	sendEvery = 5 * time.Millisecond

	// sendMost is how long a message may wait for room until it is given up.
	sendMost = 500 * time.Millisecond

	// rejoinAfter is how long it waits after a call of Join that failed.
	rejoinAfter = 50 * time.Millisecond

	leaveMost   = time.Minute
	joinDefault = time.Minute
	restoreSize = 64 << 10 // bytes that Restore reads at once
)

// program is the member.
type program struct {
	set     Settings
	log     *journal
	node    *holdfast.Node
	ids     map[string]uint16
	life    uint64
	rate    atomic.Int64
	joins   chan struct{}
	hearing gate

	mu     sync.Mutex // held while a message is multicast
	group  *holdfast.Group
	cancel context.CancelFunc // ends the call of Join
	left   bool
	sent   uint64 // messages in this life
	base   uint64 // of these, before the present joining
	chance *rand.Rand

	state []Entry           // this and what follows belong to who asks for events
	void  bool              // the state is void, and the one that was to come did not
	lives map[string]uint64 // incarnations in the view
}

// Run is the program. It returns when its input ends.
func Run(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return errors.New("cohort: the program was given no settings")
	}
	p := &program{joins: make(chan struct{}, 1)}
	if err := json.Unmarshal(lines.Bytes(), &p.set); err != nil {
		return err
	}
	if err := p.open(); err != nil {
		return err
	}
	go p.live()
	go p.send()
	for lines.Scan() {
		p.obey(strings.Fields(lines.Text()))
	}
	return lines.Err()
}

func (p *program) open() (err error) {
	p.chance = rand.New(rand.NewPCG(p.set.Seed, 0))
	p.rate.Store(int64(p.set.Rate))
	p.ids = map[string]uint16{}
	for i, name := range slices.Sorted(maps.Keys(p.set.Node.Members)) {
		p.ids[name] = uint16(i + 1)
	}
	if p.log, err = openJournal(p.set.History); err != nil {
		return err
	}
	if p.set.Log != "" {
		f, err := os.Create(p.set.Log)
		if err != nil {
			return err
		}
		p.set.Node.Logger = slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if p.node, err = holdfast.Open(p.set.Node); err != nil {
		p.log.write(Record{Kind: Failed, Text: err.Error()})
		return err
	}
	var status struct {
		Incarnation json.RawMessage // a number, or its digits as a string
	}
	if err := json.Unmarshal(p.status(), &status); err != nil {
		return err
	}
	if p.life, err = strconv.ParseUint(strings.Trim(string(status.Incarnation), `"`), 10, 64); err != nil {
		return err
	}
	p.log.write(Record{Kind: Booted, Incarnation: p.life})
	return nil
}

func (p *program) status() []byte {
	var b bytes.Buffer
	if err := p.node.Status(&b); err != nil {
		fmt.Fprint(&b, err)
	}
	return b.Bytes()
}

// obey does what one line says.
func (p *program) obey(words []string) {
	if len(words) == 0 {
		return
	}
	switch words[0] {
	case "rate":
		if n, err := strconv.Atoi(words[len(words)-1]); err == nil {
			p.rate.Store(int64(n))
		}
	case "join":
		select {
		case p.joins <- struct{}{}:
		default: // it is to join already, once it has left
		}
	case "leave":
		p.leave()
	case "deaf":
		p.hearing.shut()
	case "hear":
		p.hearing.open()
	case "probe":
		p.mu.Lock()
		for _, o := range orders() {
			p.multicast(o, headSize+p.chance.IntN(3000))
		}
		p.mu.Unlock()
	case "status":
		p.log.write(Record{Kind: Status, Text: string(p.status())})
	}
}

// orders are all that there are.
func orders() (all []holdfast.Order) {
	for _, o := range []holdfast.Order{0, holdfast.FIFO, holdfast.Causal} {
		all = append(all, o, o|holdfast.Total, o|holdfast.Uniform, o|holdfast.Total|holdfast.Uniform)
	}
	return all
}

// live is in the group, again and again.
func (p *program) live() {
	for range p.joins {
		ctx, cancel := context.WithCancel(context.Background())
		p.mu.Lock()
		p.left, p.cancel = false, cancel
		p.log.write(Record{Kind: Joining})
		p.mu.Unlock()
		if g := p.join(ctx); g != nil {
			p.listen(g)
		}
		cancel()
		p.mu.Lock()
		p.group = nil
		p.mu.Unlock()
	}
}

// join calls Join until it succeeds; nil if the process is to leave meanwhile.
func (p *program) join(ctx context.Context) *holdfast.Group {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
		most := p.set.JoinMax
		if most == 0 {
			most = joinDefault
		}
		within, done := context.WithTimeout(ctx, most)
		g, err := p.node.Join(within, p.config())
		done()
		if err != nil {
			p.log.write(Record{Kind: Failed, Text: err.Error()})
			again.Reset(rejoinAfter)
			continue
		}
		p.mu.Lock()
		p.base = p.sent
		if p.left {
			go p.depart(g)
		} else {
			p.group = g
		}
		p.mu.Unlock()
		return g
	}
}

func (p *program) config() holdfast.GroupConfig {
	c := holdfast.GroupConfig{
		Name: p.set.Group, Partition: p.set.Partition, Engine: p.set.Engine, MessageMax: p.set.MessageMax, QueueMax: p.set.QueueMax,
	}
	switch {
	case p.set.Stateless:
	case p.witness():
		c.Stateful = true
	default:
		c.Snapshot, c.Restore = p.snapshot, p.restore
	}
	return c
}

func (p *program) witness() bool { return slices.Contains(p.set.Node.Witnesses, p.set.Node.Name) }

// leave leaves the group, or gives the joining up. No message follows.
func (p *program) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		return
	}
	p.left = true
	p.log.write(Record{Kind: Leaving})
	if p.group != nil {
		go p.depart(p.group)
		p.group = nil
	} else if p.cancel != nil {
		p.cancel()
	}
}

func (p *program) depart(g *holdfast.Group) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveMost)
	defer cancel()
	if err := g.Leave(ctx); err != nil {
		p.log.write(Record{Kind: Failed, Text: err.Error()})
	}
}

// send multicasts at the rate that is wanted.
func (p *program) send() {
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	due := 0.0
	for range tick.C {
		due += float64(p.rate.Load()) * sendEvery.Seconds()
		for ; due >= 1; due-- {
			p.mu.Lock()
			if p.group != nil && p.rate.Load() > 0 {
				all := orders()
				p.multicast(all[p.chance.IntN(len(all))], p.size())
			}
			p.mu.Unlock()
		}
	}
}

// size draws the size of a message: small ones most often, now and then one that has to
// be split.
func (p *program) size() int {
	switch n := p.chance.IntN(100); {
	case n < 85:
		return headSize + p.chance.IntN(200)
	case n < 98:
		return headSize + p.chance.IntN(4000)
	}
	return headSize + p.chance.IntN(max(1, p.set.Largest-headSize))
}

// multicast multicasts one message, unless there is no room for too long. The caller has
// the lock.
func (p *program) multicast(o holdfast.Order, size int) {
	if p.group == nil || p.witness() {
		return
	}
	p.sent++
	payload := messageOf(p.sent, p.base, size, p.chance)
	p.log.write(Record{Kind: Sent, Number: p.sent, Order: uint8(o), Sum: Sum(payload), Size: size})
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), sendMost)
	defer cancel()
	number, err := p.group.Multicast(ctx, payload, o)
	switch {
	case err != nil && number == 0:
		p.log.write(Record{Kind: Untaken, Number: p.sent, Since: time.Since(began), Text: err.Error()})
		p.sent--
	case err != nil || number != p.sent-p.base:
		p.log.write(Record{Kind: Broken, Text: fmt.Sprintf("message %d of this joining was numbered %d: %v", p.sent-p.base, number, err)})
	}
}

// gate keeps a goroutine waiting while it is shut.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // nil while it is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

func (g *gate) pass() {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	if opened != nil {
		<-opened
	}
}

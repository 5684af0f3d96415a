package locks_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/check"
	judges "github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/guard"
	"github.com/holdfast-ha/holdfast/lock/peers"
)

var peerRounds = flag.Int("peers", 1, "how many rounds of drawn faults to run among peers")

// peer is a process that shares locks with others, without a server: it holds them and writes to their files until its
// input ends.
func peer(s *settings) error {
	h, err := openHistory(s.History)
	if err != nil {
		return err
	}
	node, err := holdfast.Open(s.Node)
	if err != nil {
		return err
	}
	defer node.Close()
	c := &client{s, h, nil, map[string]*guard.File{}, rand.New(rand.NewPCG(s.Seed, uint64(s.Client)))}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if c.k, err = peers.Join(ctx, node, peers.Config{Group: "locks", Lease: s.Lease, Label: fmt.Sprint(s.Client)}); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	for _, name := range s.Locks {
		if c.files[name], err = guard.NewFile(s.Files+name, name); err != nil {
			return err
		}
	}
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

// peer starts one.
func (w *world) peer(machine string) *process {
	c := holdfast.Config{
		Cluster: "peers", Name: machine, Members: map[string][]string{}, KeyFile: w.path("key"), Heartbeat: suspect / 10, SuspectAfter: suspect,
	}
	for _, n := range w.names {
		c.Members[n] = []string{w.net.Machine(n).Address() + ":7400"}
	}
	return w.start(machine, "peer", settings{
		Node: c, Client: w.serial + 1, Locks: w.locks, Files: w.path("file-"), Lease: w.lease, Seed: w.chance.Uint64(), Work: w.work[w.chance.IntN(len(w.work))],
	})
}

// disturb draws something that happens to peers, any number of which may be gone at a time; it says what.
func (w *world) disturb() string {
	for _, p := range w.clients {
		if !p.stopped.IsZero() && time.Now().After(p.stopped) {
			w.wake(p)
		}
	}
	at := w.chance.IntN(len(w.clients))
	p := w.clients[at]
	switch w.chance.IntN(14) {
	case 0:
		p.kill()
		w.clients[at] = w.peer(p.name)
		return "kill " + p.name
	case 1:
		if w.chance.IntN(3) > 0 {
			return ""
		}
		w.killAll()
		return "kill all"
	case 2, 3, 4:
		if !p.stopped.IsZero() {
			return ""
		}
		d := time.Duration(w.chance.Int64N(int64(3 * w.lease)))
		p.stopped = time.Now().Add(d)
		w.must(p.cmd.Process.Signal(syscall.SIGSTOP))
		return fmt.Sprintf("stop %s for %v", p.name, d)
	case 5, 6:
		w.isolate(p.name)
		return "cut off " + p.name
	case 7:
		other := w.names[w.chance.IntN(len(w.names))]
		if other == p.name {
			return ""
		}
		w.must(w.net.Cut(p.name, other, false))
		return "cut " + p.name + " to " + other
	case 8:
		percent := float64(w.chance.IntN(15))
		w.must(w.net.Lose(percent))
		return fmt.Sprintf("lose %g%%", percent)
	}
	w.must(w.net.Mend())
	return "mend"
}

func (w *world) killAll() {
	for at, p := range w.clients {
		p.kill()
		w.clients[at] = w.peer(p.name)
	}
}

// isolate cuts a machine off from all others.
func (w *world) isolate(name string) {
	w.must(w.net.Split([]string{name}, slices.DeleteFunc(slices.Clone(w.names), func(n string) bool { return n == name })))
}

// settlePeers ends all faults, waits until everybody has held locks again, ends them, and has everything judged. What the
// peers agreed on is not on record, so grants are not judged here but in the simulator: only beliefs, tokens and writes.
func (w *world) settlePeers() {
	w.Helper()
	w.must(w.net.Mend())
	for _, p := range w.clients {
		w.wake(p)
	}
	calm := now()
	before := map[*process]int{}
	for _, p := range w.clients {
		before[p] = w.held(p)
	}
	w.await("everybody holding locks again", func() bool {
		return !slices.ContainsFunc(w.clients, func(p *process) bool { return w.held(p) < before[p]+3 })
	})
	w.Logf("everybody holds locks again %v after the last fault", (now() - calm).Round(time.Millisecond))
	leaving := w.clients
	w.clients = nil
	for _, p := range leaving { // together: who is left alone has nobody to agree with that it goes
		w.must(p.input.Close())
	}
	w.await("all gone", func() bool {
		return !slices.ContainsFunc(leaving, func(p *process) bool { return !p.isGone() })
	})
	verdict, counts, err := w.judgePeers(calm)
	w.must(err)
	if verdict != nil {
		w.Fatal(verdict)
	}
	w.Log(counts)
}

// judgePeers judges everything that was recorded, and also that the tokens of exclusive owners grow in the order in which they have
// believed: guards refuse what does not, so it does not show in the files.
func (w *world) judgePeers(calm time.Duration) (*check.Violation, string, error) {
	verdict, counts, err := w.judge(calm)
	if verdict != nil || err != nil {
		return verdict, counts, err
	}
	if !slices.ContainsFunc(w.facts, func(f judges.Fact) bool { return f.Kind == judges.Held }) {
		return nil, "", errors.New("nobody has believed in anything, so there is nothing to judge")
	}
	court := judges.NewCourt(judges.Fencing(judges.Setting{}))
	for _, f := range w.facts {
		if f.Kind == judges.Held && !f.Shared {
			f.Kind = judges.Granted
			court.Hear(&f)
		}
	}
	return court.Violation(), counts, nil
}

// TestPeersBreakNoPromise runs for a quarter of a minute. To go on for longer:
//
//	sudo -E go test ./internal/lab/locks -run Peers -from 100 -peers 50 -timeout 2h
func TestPeersBreakNoPromise(t *testing.T) {
	for seed := *from; seed < *from+uint64(*peerRounds); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newPeers(t, seed, "")
			var did []string
			for end := now() + *length; now() < end; {
				if what := w.disturb(); what != "" {
					did = append(did, what)
				}
				w.run(time.Duration(100+w.chance.IntN(1200)) * time.Millisecond)
			}
			w.Logf("%q", did)
			w.settlePeers()
		})
	}
}

// newPeers is a world without members, and with a peer on each machine. A bug may be planted in all of them.
func newPeers(t *testing.T, seed uint64, bug string) *world {
	t.Helper()
	w := emptyWorld(t, seed)
	w.bug = bug
	if w.lease, w.work = time.Second, []int{30, 300}; bug != "" {
		w.lease, w.work = 3*time.Second, []int{600} // who is cut off believes for long
	}
	for _, name := range w.names {
		w.clients = append(w.clients, w.peer(name))
	}
	return w
}

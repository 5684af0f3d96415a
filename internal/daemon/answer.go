package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/protocol/replica/stateproxy"
	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/takeover"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// answers is the admin API's node. Its methods are called from the API's goroutines and
// do their work on the loop.
type answers struct{ d *daemon }

// ask runs fn on the loop and waits for what it returns.
func ask[T any](ctx context.Context, d *daemon, fn func(now time.Time) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	var none T
	if !d.loop.Do(func(now time.Time) {
		v, err := fn(now)
		done <- result{v, err}
	}) {
		return none, &control.Refusal{Reason: "the node is stopping"}
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Status takes the facts.
func (a answers) Status(ctx context.Context) (control.Status, error) {
	return ask(ctx, a.d, func(now time.Time) (control.Status, error) { return a.d.status(now), nil })
}

// Resync begins to send a peer everything again.
func (a answers) Resync(ctx context.Context, name string) error {
	_, err := ask(ctx, a.d, func(now time.Time) (struct{}, error) {
		id, err := a.d.peerNamed(name)
		if err == nil {
			a.d.stack.Resync(now, id)
		}
		return struct{}{}, err
	})
	return err
}

// named puts members' names in the place of their IDs, which people never chose. A
// pair has IDs of one digit, so that no ID is the beginning of another.
func (d *daemon) named(text string) string {
	for _, m := range d.file.Cluster.Members {
		text = strings.ReplaceAll(text, m.ID.String(), m.Name)
	}
	return text
}

// peerNamed finds a peer by name, or the only one by "".
func (d *daemon) peerNamed(name string) (view.ID, error) {
	peers := d.file.Peers()
	if name == "" && len(peers) == 1 {
		return peers[0].ID, nil
	}
	var names string
	for _, p := range peers {
		if p.Name == name {
			return p.ID, nil
		}
		names += " " + p.Name
	}
	return view.Nobody, &control.Refusal{Reason: fmt.Sprintf("there is no peer %q; peers:%s", name, names)}
}

// Switch begins a planned handover and waits for its end.
func (a answers) Switch(ctx context.Context, name string) (control.SwitchResult, error) {
	ctx, cancel := context.WithTimeout(ctx, switchMax)
	defer cancel()
	type outcome struct {
		result control.SwitchResult
		err    error
	}
	done := make(chan outcome, 1)
	d := a.d
	_, err := ask(ctx, d, func(now time.Time) (struct{}, error) {
		to := view.Nobody
		if name != "" {
			var err error
			if to, err = d.peerNamed(name); err != nil {
				return struct{}{}, err
			}
		}
		if err := d.stack.Switch(now, to, d.node.Out()); err != nil {
			return struct{}{}, &control.Refusal{Reason: d.named(err.Error())}
		}
		flows, began := d.stack.Status(now).Objects, now
		d.waiting = append(d.waiting, func(now time.Time) bool {
			result, ended, err := d.switched(now)
			if ended {
				result.Flows, result.TookMS = flows, control.MillisecondsOf(now.Sub(began))
				done <- outcome{result, err}
			}
			return ended || ctx.Err() != nil
		})
		return struct{}{}, nil
	})
	if err != nil {
		return control.SwitchResult{}, err
	}
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		return control.SwitchResult{}, &control.Refusal{
			Reason: fmt.Sprintf("the handover did not end within %v", switchMax), Action: "holdfast status",
		}
	}
}

// switched says whether a handover has ended, and how.
func (d *daemon) switched(now time.Time) (control.SwitchResult, bool, error) {
	switch active := d.stack.Active(); {
	case d.stack.Role() == takeover.Draining:
	case active == d.self:
		return control.SwitchResult{}, true, &control.Refusal{
			Reason: "the handover was given up: " + d.stack.Status(now).Reason.String(),
		}
	case active.ID != view.Nobody:
		return control.SwitchResult{
			From: d.file.Node, To: d.file.Cluster.NameOf(active.ID), Epoch: d.stack.Status(now).Epoch,
		}, true, nil
	}
	return control.SwitchResult{}, false, nil
}

// wake lets those that wait look again, after each step.
func (d *daemon) wake(now time.Time) {
	kept := d.waiting[:0]
	for _, w := range d.waiting {
		if !w(now) {
			kept = append(kept, w)
		}
	}
	d.waiting = kept
}

// status takes the facts for the admin API.
func (d *daemon) status(now time.Time) control.Status {
	st := d.stack.Status(now)
	entries, limit, _ := d.kernel.table.Count()
	s := control.Status{
		At: now, Version: d.version.Version, Cluster: d.file.Cluster.Name, Node: d.file.Node,
		Fingerprint: fmt.Sprintf("%08x", d.file.Fingerprint()), Started: d.started,
		Role: role(st.Role), Since: st.Since, Epoch: st.Epoch, Incarnation: d.self.Incarnation,
		Flows: control.Flows{Own: st.Objects, Kernel: int(entries), KernelMax: int(limit), NotReplicated: st.Refused},
	}
	for _, a := range d.file.Firewall.Addresses {
		s.Addresses = append(s.Addresses, control.Address{
			Prefix: a.Prefix.String(), Interface: a.Interface, Held: d.kernel.holding,
		})
	}
	down := make(map[string]bool)
	for _, name := range d.watch.Down() {
		down[name] = true
	}
	for _, name := range d.file.Firewall.Track {
		s.Tracked = append(s.Tracked, control.Interface{Name: name, Up: !down[name]})
	}
	for _, p := range st.Peers {
		s.Peers = append(s.Peers, d.peerStatus(now, p))
		s.Flows.Held += p.Received.Objects
		s.Counters.Resyncs += p.Sent.Resyncs
		s.Counters.Nacks += p.Received.Nacks
	}
	s.Faults = d.faults(entries, limit)
	d.count(&s, st)
	return s
}

func (d *daemon) peerStatus(now time.Time, p stack.PeerStatus) control.Peer {
	c := control.Peer{
		Name: p.Name, Priority: p.Priority, Role: role(p.Role), Epoch: p.Epoch,
		Incarnation: p.Member.Incarnation, Alive: p.Alive, Ready: p.Ready, Refused: p.Refused,
		Proof: proof(now, p), Received: control.Received{
			Objects: p.Received.Objects, Synced: p.Received.Complete, Gaps: p.Received.Behind,
		},
	}
	if member, ok := d.file.Cluster.Member(p.Name); ok {
		c.Priority = member.Priority
		for i, l := range p.Links {
			link := control.Link{Label: linkLabel(d.file, i+1), Heard: l.Heard, SilentMS: since(now, l.Last)}
			if remote, ok := member.Link(link.Label); ok {
				link.Remote = remote.Address.String()
			}
			c.Links = append(c.Links, link)
		}
	}
	return c
}

func since(now, t time.Time) *control.Milliseconds {
	if t.IsZero() {
		return nil
	}
	ms := control.MillisecondsOf(max(now.Sub(t), 0))
	return &ms
}

func proof(now time.Time, p stack.PeerStatus) control.Proof {
	c := control.Proof{
		ObjectsBehind: p.Proof.Objects, LagMS: control.MillisecondsOf(p.Proof.Lag),
		Confirmed: max(0, int(p.Proof.Count)-p.Proof.Objects), DigestOurs: fmt.Sprintf("%016x", p.Proof.Digest),
		LastProvenMSAgo: since(now, p.Proof.LastTime),
	}
	if !p.Proof.At.IsZero() {
		c.DigestTheirs = fmt.Sprintf("%016x", p.Proof.Theirs)
	}
	switch p.Proof.State {
	case stateproxy.Proven:
		c.State = control.Proven
		c.LastProvenMSAgo = since(now, p.Proof.At)
	case stateproxy.Behind:
		c.State = control.Behind
	case stateproxy.Diverged:
		c.State = control.Diverged
	case stateproxy.Syncing:
		c.State = control.Syncing
	case stateproxy.Away:
		c.State = control.Away
	default:
		c.State = control.Unknown
	}
	return c
}

func role(r takeover.Role) control.Role {
	switch r {
	case takeover.Waiting:
		return control.Waiting
	case takeover.Standby:
		return control.Standby
	case takeover.Promoting:
		return control.Promoting
	case takeover.Active:
		return control.Active
	case takeover.Draining:
		return control.Draining
	case takeover.Stopped:
		return control.Stopped
	}
	return ""
}

// count fills in the counters.
func (d *daemon) count(s *control.Status, st stack.Status) {
	c := &s.Counters
	c.Dropped, c.InjectionErrors = make(map[string]uint64), make(map[string]uint64)
	drop := func(r int, n uint64) {
		if n > 0 && wire.Reason(r) != wire.Duplicate {
			c.Dropped[wire.Reason(r).String()] += n
		}
	}
	for r, n := range st.Dropped {
		drop(r, n)
	}
	for _, l := range d.transport.Stats() {
		for r, n := range l.Dropped {
			drop(r, n)
		}
		for _, p := range l.Paths {
			c.FramesSent += p.Out.Datagrams
			c.BytesSent += p.Out.Bytes
			c.FramesReceived += p.In.Datagrams
			c.BytesReceived += p.In.Bytes
		}
	}
	k := &d.kernel.counts
	c.Events, c.Overruns, c.Injections = k.events, k.overruns, k.injections
	for why, n := range k.failures {
		c.InjectionErrors[why] = n
	}
	c.Takeovers = d.journal.counts[trace.Activated]
}

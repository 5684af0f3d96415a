package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/pair"
	"github.com/holdfast-ha/holdfast/bench/usage"
	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/internal/lab/traffic"
)

// The load, and the targets as shares of what conntrackd takes.
const (
	costConnections = 10_000
	costRate        = 1000 // a second
	costShare       = 1.0 / 2
	bytesShare      = 1.0 / 3
)

// costReport is what replication takes.
type costReport struct {
	Connections int          `json:"connections"`
	Rate        int          `json:"connections_per_second"`
	Modes       []costMode   `json:"modes"`
	Memory      []memoryMode `json:"memory"`
	Met         bool         `json:"met"` // both shares, of both sides, where like is compared with like
}

// costMode is one program in one mode. CPU is in milliseconds per 10,000 connections,
// bytes are of both directions of the link between the firewalls, with Ethernet headers,
// per connection.
type costMode struct {
	Program     string          `json:"program"`
	Mode        string          `json:"mode"`
	ActiveCPU   *figure.Summary `json:"active_cpu_ms"`
	StandbyCPU  *figure.Summary `json:"standby_cpu_ms"`
	ActiveIdle  *figure.Summary `json:"active_idle_cpu_ms"` // in as much time without connections
	StandbyIdle *figure.Summary `json:"standby_idle_cpu_ms"`
	Bytes       *figure.Summary `json:"bytes"`
	BytesIdle   *figure.Summary `json:"bytes_idle"`     // in as much time without connections
	Tracked     *figure.Summary `json:"states_tracked"` // by the kernel of the active, when those were counted:
	Held        *figure.Summary `json:"states_held"`
	Told        *figure.Summary `json:"told"`
	Packets     *figure.Summary `json:"packets"` // on the link, both directions, in all
}

// costSample is a mode being measured.
type costSample struct {
	program, mode string
	start         func(ctx context.Context, bed *lab.Lab, folder string) (pair.Pair, error)

	active, standby, activeIdle, standbyIdle       figure.Sample
	bytes, bytesIdle, packets, tracked, held, told figure.Sample
}

// costModes are in pairs of like with like: the standby's kernel has every flow at once,
// or only at a takeover.
func (s *session) costModes() []*costSample {
	hold := func(inject pair.Inject) func(context.Context, *lab.Lab, string) (pair.Pair, error) {
		return func(ctx context.Context, bed *lab.Lab, folder string) (pair.Pair, error) {
			return s.holdfast(ctx, bed, folder, inject, lab.Sync)
		}
	}
	daemon := func(direct bool) func(context.Context, *lab.Lab, string) (pair.Pair, error) {
		return func(ctx context.Context, bed *lab.Lab, folder string) (pair.Pair, error) {
			return pair.StartConntrackd(ctx, bed, pair.ConntrackdConfig{Folder: folder, Addresses: true, Direct: direct})
		}
	}
	return []*costSample{
		{program: "Holdfast", mode: "into the kernel at once (default)", start: hold(pair.Continuous)},
		{program: "conntrackd", mode: "into the kernel at once (DisableExternalCache)", start: daemon(true)},
		{program: "Holdfast", mode: "in memory until a takeover (inject = takeover)", start: hold(pair.AtTakeover)},
		{program: "conntrackd", mode: "in memory until a takeover (default)", start: daemon(false)},
	}
}

func (s *session) cost(ctx context.Context) (*costReport, error) {
	modes := s.costModes()
	connections := costConnections
	if s.quick {
		connections /= 5
	}
	for r := range s.rounds {
		for _, m := range modes {
			if err := s.costRound(ctx, m, connections); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", m.program, m.mode, err)
			}
			s.say("cost, round %d of %d: %s, %s: active %s ms, standby %s ms, %s bytes/connection, %s states held", r+1, s.rounds,
				m.program, m.mode, figure.Short(m.active[r]), figure.Short(m.standby[r]), figure.Short(m.bytes[r]), figure.Short(m.held[r]))
		}
	}
	report := &costReport{Connections: connections, Rate: costRate, Met: true}
	s.printCost(report, modes)
	memory, err := s.memory(ctx)
	report.Memory = memory
	return report, err
}

// instant is everything that is read before and after.
type instant struct {
	at              time.Time
	active, standby usage.Use
	link            lab.Counters
}

func look(bed *lab.Lab, p pair.Pair) (i instant, err error) {
	if i.active, err = p.Use(pair.Active); err != nil {
		return i, err
	}
	if i.standby, err = p.Use(pair.Standby); err != nil {
		return i, err
	}
	i.link, err = bed.Counters(pair.Active, lab.Sync)
	i.at = time.Now()
	return i, err
}

// carried is what the link carried from one instant to another.
func carried(before, after instant) (bytes, packets float64) {
	a, b := before.link, after.link
	return float64(b.SentBytes - a.SentBytes + b.ReceivedBytes - a.ReceivedBytes),
		float64(b.SentPackets - a.SentPackets + b.ReceivedPackets - a.ReceivedPackets)
}

// costRound looks at a new pair while it is idle, and then makes the connections.
func (s *session) costRound(ctx context.Context, m *costSample, connections int) error {
	return s.round(ctx, func(ctx context.Context, bed *lab.Lab, folder string) error {
		p, err := m.start(ctx, bed, folder)
		if err != nil {
			return err
		}
		defer p.Close()
		if _, err := pair.AwaitCalm(ctx, p, calm); err != nil {
			return err
		}
		first, err := look(bed, p)
		if err != nil {
			return err
		}
		if err := sleep(ctx, idleTime); err != nil {
			return err
		}
		before, err := look(bed, p)
		if err != nil {
			return err
		}
		if err := shortConnections(ctx, bed, connections); err != nil {
			return err
		}
		after, err := look(bed, p)
		if err != nil {
			return err
		}
		// What was told late is not lost: count the states, not the time.
		held, err := pair.AwaitCalm(ctx, p, calm)
		if err != nil {
			return err
		}
		tracked, err := pair.Tracked(bed.Node(pair.Active))
		if err != nil {
			return err
		}
		told, err := p.Told(ctx)
		if err != nil {
			return err
		}
		if fault := p.Fault(ctx); fault != "" {
			s.say("note: %s: %s", m.program, fault)
		}
		m.add(first, before, after, connections)
		m.tracked.Add(float64(tracked))
		m.held.Add(float64(held))
		m.told.Add(float64(told))
		return nil
	})
}

func (m *costSample) add(first, before, after instant, connections int) {
	per := float64(costConnections) / float64(connections)
	scaled := func(u usage.Use) float64 { return per * float64(u.CPU) / 1e6 }
	// What an idle pair would have used in the time that the connections took.
	length := after.at.Sub(before.at).Seconds() / before.at.Sub(first.at).Seconds()
	m.active.Add(scaled(after.active.Since(before.active)))
	m.standby.Add(scaled(after.standby.Since(before.standby)))
	m.activeIdle.Add(length * scaled(before.active.Since(first.active)))
	m.standbyIdle.Add(length * scaled(before.standby.Since(first.standby)))
	bytes, packets := carried(before, after)
	quiet, _ := carried(first, before)
	m.bytes.Add(bytes / float64(connections))
	m.bytesIdle.Add(length * quiet / float64(connections))
	m.packets.Add(packets)
}

func shortConnections(ctx context.Context, bed *lab.Lab, count int) error {
	seen, err := traffic.Fetch(ctx, bed, count, traffic.DefaultRequests(costRate))
	if err != nil {
		return err
	}
	if seen.OK != count {
		return fmt.Errorf("%d of %d connections failed: %v", seen.Failed, count, seen.Reasons)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) printCost(report *costReport, modes []*costSample) {
	table := figure.Table{Head: []string{"program: states go", "active, CPU ms", "standby, CPU ms", "idle, CPU ms", "bytes/connection", "of these idle", "packets", "states tracked", "held", "told"}}
	for _, m := range modes {
		table.Add(m.program+": "+m.mode, m.active.String(), m.standby.String(),
			figure.Short(m.activeIdle.Median())+" + "+figure.Short(m.standbyIdle.Median()),
			m.bytes.String(), figure.Short(m.bytesIdle.Median()), figure.Short(m.packets.Median()),
			figure.Short(m.tracked.Median()), figure.Short(m.held.Median()), figure.Short(m.told.Median()))
		report.Modes = append(report.Modes, costMode{
			Program: m.program, Mode: m.mode, ActiveCPU: m.active.Summary(), StandbyCPU: m.standby.Summary(),
			ActiveIdle: m.activeIdle.Summary(), StandbyIdle: m.standbyIdle.Summary(),
			Bytes: m.bytes.Summary(), BytesIdle: m.bytesIdle.Summary(),
			Tracked: m.tracked.Summary(), Held: m.held.Summary(), Told: m.told.Summary(), Packets: m.packets.Summary(),
		})
	}
	s.print("\ncost: per %d short HTTP connections at %d a second; bytes with all headers, both directions (median, least–greatest of %d)\n\n%s\n",
		costConnections, costRate, s.rounds, table.String())
	for i := 0; i < len(modes); i += 2 {
		ours, theirs := modes[i], modes[i+1]
		for _, c := range []struct {
			what         string
			ours, theirs figure.Sample
			share        float64
		}{
			{"CPU of the active", ours.active, theirs.active, costShare},
			{"CPU of the standby", ours.standby, theirs.standby, costShare},
			{"bytes per connection", ours.bytes, theirs.bytes, bytesShare},
		} {
			ratio := figure.Ratio(c.ours, c.theirs)
			met := ratio <= c.share
			report.Met = report.Met && met
			s.print("target: %s, %s: at most %s of conntrackd's: %s, %s\n", ours.mode, c.what, figure.Short(c.share), figure.Times(ratio), figure.Verdict(met))
		}
	}
}

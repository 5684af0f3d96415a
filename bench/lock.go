package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/group"
	"github.com/holdfast-ha/holdfast/bench/locks"
)

const (
	// lockTime is how long contenders enter and leave, after lockWarm of the same.
	lockTime      = 2 * time.Second
	lockTimeQuick = 500 * time.Millisecond
	lockWarm      = 500 * time.Millisecond

	// lockContenders is the number of many, lockFew one between, for the plot.
	lockContenders = 16
	lockFew        = 4

	// lockDetection is the time after which all programs take a member for dead: Holdfast's
	// default.
	lockDetection = 500 * time.Millisecond
)

// lockLoads are the rows of the tables. Rows compare what is alike: clients at the member that
// puts commands in order, the best place for each program, but for the last.
func lockLoads() []locks.Load {
	return []locks.Load{
		{Contenders: 1, Place: locks.Leader},
		{Contenders: lockFew, Place: locks.Leader},
		{Contenders: lockContenders, Place: locks.Leader},
		{Contenders: lockContenders, Same: true, Place: locks.Leader},
		{Contenders: 1, Place: locks.Follower},
		{Contenders: lockContenders, Place: locks.Follower},
	}
}

// lockResult is what was measured of one program with one of its settings.
type lockResult struct {
	Program    string           `json:"program"`
	Setting    string           `json:"setting"`
	Durability locks.Durability `json:"durability"`
	Flows      []*lockFlow      `json:"throughput"`
	Pauses     []*lockPause     `json:"takeover,omitempty"`
	Failed     []string         `json:"failed,omitempty"`

	program *locks.Program
}

// lockFlow is enter and leave under one load, one value a round.
type lockFlow struct {
	locks.Load
	Rate    figure.Sample `json:"per_second"`
	P50     figure.Sample `json:"p50_ms"`
	P99     figure.Sample `json:"p99_ms"`
	Members figure.Sample `json:"members_cpu_us"` // of one enter and leave
	Clients figure.Sample `json:"clients_cpu_us"`
}

// lockPause is the longest time in which a client completed nothing when the leader was killed.
type lockPause struct {
	Place     locks.Place   `json:"place"`
	Detection float64       `json:"detection_ms"`
	Pause     figure.Sample `json:"pause_ms"`
}

// lockReport is all of it.
type lockReport struct {
	Results []*lockResult `json:"results"`
	Ratios  []lockRatio   `json:"ratios"`
	Targets []target      `json:"targets"`
}

// lock measures every program and prints tables, ratios and plots.
func (s *session) lock(ctx context.Context) (*lockReport, error) {
	sources, err := locks.Find(ctx, s.folder, s.binary, s.etcd)
	if err != nil {
		return nil, err
	}
	s.say("lock: building the contenders")
	programs, err := sources.Build(ctx, s.peersOf(locks.Names()))
	if err != nil {
		return nil, err
	}
	report := &lockReport{}
	for _, p := range programs {
		r := &lockResult{Program: p.Name, Setting: p.Setting, Durability: p.Durability, program: p}
		for _, l := range lockLoads() {
			r.Flows = append(r.Flows, &lockFlow{Load: l})
		}
		if p.Takeover {
			r.Pauses = append(r.Pauses, &lockPause{Place: locks.Leader, Detection: lockDetection.Seconds() * 1e3})
			if !p.Spread {
				r.Pauses = append(r.Pauses, &lockPause{Place: locks.Follower, Detection: lockDetection.Seconds() * 1e3})
			}
		}
		report.Results = append(report.Results, r)
	}
	for round := range s.rounds {
		for _, r := range report.Results {
			s.say("lock, round %d of %d: %s", round+1, s.rounds, r.program)
			// A peer that fails is a row that says so; the others are measured all the same.
			if err := s.lockRound(ctx, r); err != nil {
				if ctx.Err() != nil {
					return nil, err
				}
				s.say("%v", err)
				r.Failed = append(r.Failed, err.Error())
			}
		}
	}
	s.lockText(report)
	if !s.draws() {
		return report, nil
	}
	return report, report.plot(s.plots)
}

func (s *session) lockRound(ctx context.Context, r *lockResult) error {
	err := s.withLocks(ctx, r.program, 0, func(c *locks.Cluster) error {
		for _, f := range r.Flows {
			if err := s.lockFlow(ctx, f, c); err != nil {
				return fmt.Errorf("%s: %w", f.Load, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range r.Pauses {
		err := s.withLocks(ctx, r.program, lockDetection, func(c *locks.Cluster) error {
			got, err := c.Takeover(ctx, p.Place, lockDetection)
			if err != nil {
				return fmt.Errorf("takeover: %w", err)
			}
			p.Pause.AddTime(got.Pause)
			s.say("  takeover, client at the %-8s %6.0f ms", p.Place, float64(got.Pause)/1e6)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// withLocks starts a program on a bed of its own, and ends both.
func (s *session) withLocks(ctx context.Context, p *locks.Program, detection time.Duration, do func(*locks.Cluster) error) error {
	bed, err := group.OpenBed()
	if err != nil {
		return err
	}
	defer bed.Close()
	s.made++
	folder := filepath.Join(s.folder, fmt.Sprint(s.made)) // removed with all others at the end
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	cluster, err := p.Start(ctx, bed, folder, detection)
	if err != nil {
		return err
	}
	defer cluster.Close()
	return do(cluster)
}

func (s *session) lockFlow(ctx context.Context, f *lockFlow, c *locks.Cluster) error {
	window := lockTime
	if s.quick {
		window = lockTimeQuick
	}
	got, err := c.Measure(ctx, f.Load, lockWarm, window)
	if err != nil {
		return err
	}
	f.Rate.Add(got.Rate)
	f.P50.AddTime(got.P50)
	f.P99.AddTime(got.P99)
	f.Members.Add(float64(got.Members) / 1e3)
	f.Clients.Add(float64(got.Clients) / 1e3)
	s.say("  %-45s %7.0f/s, p50 %6.3f ms, p99 %6.3f ms, %5.0f + %4.0f µs", f.Load, got.Rate,
		got.P50.Seconds()*1e3, got.P99.Seconds()*1e3, f.Members[len(f.Members)-1], f.Clients[len(f.Clients)-1])
	return nil
}

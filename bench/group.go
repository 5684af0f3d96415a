package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/group"
)

// The targets.
const (
	groupRatio    = 2.0 // messages a second, over the best of the peers at each size
	uniformRatio  = 0.7 // uniform delivery, over delivery that is not
	viewTimes     = 2   // of the detection time that is configured, and
	viewAddition  = 20 * time.Millisecond
	probesMost    = 3000
	flowTime      = time.Second
	flowTimeQuick = 500 * time.Millisecond
	probeTime     = 500 * time.Millisecond
)

func groupSizes() []int   { return []int{64, 1 << 10, 8 << 10, 64 << 10} }
func groupSenders() []int { return []int{1, group.Members} }
func probeSizes() []int   { return []int{64, 1 << 10} }

// load is one column of the tables: so many members multicast messages of a size.
type load struct {
	Senders int `json:"senders"`
	Size    int `json:"bytes"`
}

// String gives "1 sender, 64 B".
func (l load) String() string {
	if l.Senders == 1 {
		return "1 sender, " + bytesText(l.Size)
	}
	return fmt.Sprintf("%d senders, %s", l.Senders, bytesText(l.Size))
}

func bytesText(size int) string {
	if size < 1<<10 {
		return fmt.Sprintf("%d B", size)
	}
	return fmt.Sprintf("%d KiB", size>>10)
}

// groupResult is what was measured of one program with one of its settings.
type groupResult struct {
	Program   string        `json:"program"`
	Setting   string        `json:"setting"`
	Detection float64       `json:"detection_ms,omitempty"`
	Flows     []*flowResult `json:"throughput,omitempty"`
	Delays    []*delay      `json:"latency,omitempty"`
	View      figure.Sample `json:"view_change_ms,omitempty"`
	Failed    []string      `json:"failed,omitempty"`

	program *group.Program
	viewed  bool // the view change is not measured again
}

// flowResult is flat-out multicast under one load, one value a round.
type flowResult struct {
	load
	Messages figure.Sample `json:"messages_per_second"`
	Bytes    figure.Sample `json:"bytes_per_second"`
	CPU      figure.Sample `json:"cpu"` // seconds in a second
	Late     uint64        `json:"late"`

	skip bool // another setting, or a peer, is much better at this load
}

// delay is the latency of one message under way, one value a round, in microseconds.
type delay struct {
	Size     int           `json:"bytes"`
	Follower bool          `json:"follower"`
	P50      figure.Sample `json:"p50_us"`
	P99      figure.Sample `json:"p99_us"`

	skip bool // a peer is more than twice as fast
}

// groupReport is all of it.
type groupReport struct {
	Results []*groupResult `json:"results"`
	Ratios  []loadRatio    `json:"ratios"`
	Targets []target       `json:"targets"`
}

// group measures every program and prints tables, ratios and plots.
func (s *session) group(ctx context.Context) (*groupReport, error) {
	sources, err := group.Find(ctx, s.folder)
	if err != nil {
		return nil, err
	}
	s.say("group: building the members")
	programs, err := sources.Build(ctx, s.peersOf(group.Names()))
	if err != nil {
		return nil, err
	}
	report := &groupReport{}
	for _, p := range programs {
		r := &groupResult{Program: p.Name, Setting: p.Setting, Detection: p.Detection.Seconds() * 1e3, program: p}
		r.plan()
		report.Results = append(report.Results, r)
	}
	for round := range s.groupRounds() {
		for _, r := range report.Results {
			if r.idle() {
				continue
			}
			s.say("group, round %d of %d: %s", round+1, s.groupRounds(), r.program)
			// A peer that fails is a row that says so; the others are measured all the same.
			if err := s.groupRound(ctx, r); err != nil {
				if ctx.Err() != nil {
					return nil, err
				}
				s.say("%v", err)
				r.Failed = append(r.Failed, err.Error())
			}
		}
		if round == 0 {
			report.prune()
		}
	}
	s.groupText(report)
	if !s.draws() {
		return report, nil
	}
	return report, report.plot(s.plots)
}

// groupRounds is how often each is measured: fewer than elsewhere, for a round of all
// programs takes minutes.
func (s *session) groupRounds() int {
	if s.roundsGiven || s.quick {
		return s.rounds
	}
	return 3
}

// plan makes a place for all that is to be measured.
func (r *groupResult) plan() {
	if r.program.Uses&group.Throughput != 0 {
		for _, senders := range groupSenders() {
			for _, size := range groupSizes() {
				if senders == 1 || !r.program.OneSender {
					r.Flows = append(r.Flows, &flowResult{load: load{senders, size}})
				}
			}
		}
	}
	if r.program.Uses&group.Latency != 0 {
		for _, follower := range []bool{false, true} {
			for _, size := range probeSizes() {
				if !follower || !r.program.OneSender {
					r.Delays = append(r.Delays, &delay{Size: size, Follower: follower})
				}
			}
		}
	}
}

// prune decides what the rounds after the first leave out, so that they can be several: of
// the peers, what was less than half as good as the best of them, settings that are not
// their program's best, and view changes, which are their timers'. What the first round
// measured of those stays.
func (g *groupReport) prune() {
	for _, r := range g.Results {
		if r.Program == ours {
			continue
		}
		r.viewed = true
		for _, f := range r.Flows {
			best, _ := g.bestPeer(f.load)
			f.skip = g.best(r.Program, f.load) != f || f.Messages.Median() < best.Messages.Median()/2
		}
		for _, d := range r.Delays {
			least := math.Inf(1)
			for _, other := range g.Results {
				for _, o := range other.Delays {
					if other.Program != ours && o.Size == d.Size && o.Follower == d.Follower && len(o.P50) > 0 {
						least = min(least, o.P50.Median())
					}
				}
			}
			d.skip = len(d.P50) == 0 || d.P50.Median() > 2*least
		}
	}
}

// idle says whether nothing of it is to be measured.
func (r *groupResult) idle() bool {
	return !slices.ContainsFunc(r.Flows, func(f *flowResult) bool { return !f.skip }) &&
		!slices.ContainsFunc(r.Delays, func(d *delay) bool { return !d.skip }) &&
		(r.viewed || r.program.Uses&group.View == 0)
}

func (s *session) groupRound(ctx context.Context, r *groupResult) error {
	bed, err := group.OpenBed()
	if err != nil {
		return err
	}
	defer bed.Close()
	cluster, err := s.form(ctx, r.program, bed)
	if err != nil {
		return err
	}
	defer cluster.Close()
	for _, d := range r.Delays {
		if d.skip {
			continue
		}
		got, err := cluster.Latency(d.Size, probesMost, d.Follower, probeTime)
		if err != nil {
			return err
		}
		d.P50.Add(float64(got.P50) / 1e3)
		d.P99.Add(float64(got.P99) / 1e3)
	}
	for _, f := range r.Flows {
		if f.skip {
			continue
		}
		if err := s.flow(ctx, r, f, cluster); err != nil {
			return fmt.Errorf("%s: %w", f.load, err)
		}
	}
	if r.viewed || r.program.Uses&group.View == 0 {
		return nil
	}
	took, err := cluster.Kill()
	if err == nil {
		r.View.AddTime(took)
	}
	return err
}

// form starts a program, and once more if it does not become a group: on a busy machine
// some give up an election for good.
func (s *session) form(ctx context.Context, p *group.Program, bed *group.Bed) (*group.Cluster, error) {
	for try := 1; ; try++ {
		s.made++
		folder := filepath.Join(s.folder, fmt.Sprint(s.made)) // removed with all others at the end
		if err := os.Mkdir(folder, 0o700); err != nil {
			return nil, err
		}
		cluster, err := p.Start(ctx, bed, folder)
		if err == nil || try == 2 || ctx.Err() != nil {
			return cluster, err
		}
		s.say("started again: %v", err)
		s.disturbed[p.Name]++
	}
}

func (s *session) flow(ctx context.Context, r *groupResult, f *flowResult, cluster *group.Cluster) error {
	window := flowTime
	if s.quick {
		window = flowTimeQuick
	}
	got, err := cluster.Throughput(ctx, f.Size, f.Senders, window)
	if err != nil {
		return err
	}
	f.Messages.Add(got.Messages)
	f.Bytes.Add(got.Bytes)
	f.CPU.Add(got.CPU)
	f.Late += got.Late
	if got.Disorder {
		// What it does from here on is worth no measurement.
		return errors.New("members delivered equally many messages, and NOT the same in the same order")
	}
	s.say("  %-18s %8.0f messages/s, %6.1f MB/s, %4.2f processors%s", f.load, got.Messages, got.Bytes/1e6, got.CPU, f.blame())
	return nil
}

// blame says what was wrong with what was delivered, "" for nothing.
func (f *flowResult) blame() string {
	if f.Late > 0 {
		return fmt.Sprintf(", %d not delivered to all 8 s after the end", f.Late)
	}
	return ""
}

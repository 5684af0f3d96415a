package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/pair"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// The target: 20,000 flows at least three times as fast as conntrackd.
const (
	injectFlows = 20_000
	injectRatio = 3
)

// injectReport is how long it takes to put all states into an empty kernel table at a
// takeover.
type injectReport struct {
	Points []injectPoint `json:"points"`
	Ratio  float64       `json:"ratio_at_20000"`
	Met    bool          `json:"met"`
}

// injectPoint is one number of flows. Times are in milliseconds.
type injectPoint struct {
	Flows int `json:"flows"`
	// Full: from the decision to take over until the kernel has every flow.
	Holdfast   *figure.Summary `json:"holdfast_ms"`
	Conntrackd *figure.Summary `json:"conntrackd_ms"`
	Ratio      float64         `json:"ratio"`
	// Done: until the addresses are raised, and until `conntrackd -c` has returned.
	HoldfastDone   *figure.Summary `json:"holdfast_done_ms"`
	ConntrackdDone *figure.Summary `json:"conntrackd_done_ms"`
	HoldfastCPU    *figure.Summary `json:"holdfast_cpu_ms"`
	ConntrackdCPU  *figure.Summary `json:"conntrackd_cpu_ms"`
}

// injection is one measurement. The processor's time is that of the daemon on the
// standby, from before the order until all is done.
type injection struct{ full, done, cpu time.Duration }

func (s *session) inject(ctx context.Context) (*injectReport, error) {
	counts := []int{1000, 2000, 5000, 10_000, injectFlows, 50_000, 100_000, 200_000}
	if s.quick {
		counts = []int{1000, injectFlows}
	}
	report := &injectReport{}
	table := figure.Table{Head: []string{"flows", "Holdfast, ms", "conntrackd -c, ms", "conntrackd / Holdfast", "Holdfast, CPU ms", "conntrackd, CPU ms", "addresses raised, ms", "command returned, ms"}}
	curves := []figure.Curve{{Name: "Holdfast, takeover"}, {Name: "conntrackd -c"}}
	for _, n := range counts {
		var full, done, cpu [2]figure.Sample
		for r := range s.rounds {
			for i, measure := range []func(context.Context, int) (injection, error){s.injectHoldfast, s.injectConntrackd} {
				got, err := measure(ctx, n)
				if err != nil {
					return nil, err
				}
				full[i].AddTime(got.full)
				done[i].AddTime(got.done)
				cpu[i].AddTime(got.cpu)
			}
			s.say("inject %d, round %d of %d: Holdfast %s ms, conntrackd %s ms", n, r+1, s.rounds,
				figure.Short(full[0][r]), figure.Short(full[1][r]))
		}
		ratio := figure.Ratio(full[1], full[0])
		report.Points = append(report.Points, injectPoint{
			Flows: n, Holdfast: full[0].Summary(), Conntrackd: full[1].Summary(), Ratio: ratio,
			HoldfastDone: done[0].Summary(), ConntrackdDone: done[1].Summary(),
			HoldfastCPU: cpu[0].Summary(), ConntrackdCPU: cpu[1].Summary(),
		})
		table.Add(fmt.Sprint(n), full[0].String(), full[1].String(), figure.Times(ratio),
			figure.Short(cpu[0].Median()), figure.Short(cpu[1].Median()), done[0].String(), done[1].String())
		for i := range curves {
			curves[i].X = append(curves[i].X, float64(n))
			curves[i].Samples = append(curves[i].Samples, full[i])
		}
		if n == injectFlows {
			report.Ratio, report.Met = ratio, ratio >= injectRatio
		}
	}
	s.print("\ninject: from the decision to take over until the kernel has every flow (median, least–greatest of %d)\n\n%s\n", s.rounds, table.String())
	s.print("target: %d flows at least %d times as fast as conntrackd -c: %s, %s\n",
		injectFlows, injectRatio, figure.Times(report.Ratio), figure.Verdict(report.Met))
	if !s.draws() {
		return report, nil
	}
	return report, figure.Plot{
		Title: "Injection of all flows at a takeover", X: "flows", Y: "milliseconds", Curves: curves,
	}.Write(filepath.Join(s.plots, "inject.svg"))
}

// injectHoldfast kills the active node; the standby finds that out, puts every flow it
// holds into its empty kernel, and takes the addresses.
func (s *session) injectHoldfast(ctx context.Context, n int) (got injection, err error) {
	err = s.round(ctx, func(ctx context.Context, bed *lab.Lab, folder string) error {
		if err := pair.Fill(bed.Node(pair.Active), n); err != nil {
			return err
		}
		h, err := s.holdfast(ctx, bed, folder, pair.AtTakeover, lab.Sync)
		if err != nil {
			return err
		}
		defer h.Close()
		if err := pair.AwaitHeld(ctx, h, n); err != nil {
			return err
		}
		if err := h.AwaitProtected(ctx); err != nil {
			return err
		}
		before, err := pair.Tracked(bed.Node(pair.Standby))
		if err != nil {
			return err
		}
		used, err := h.Use(pair.Standby)
		if err != nil {
			return err
		}
		if err := errors.Join(h.Undisturbed(), h.Kill(pair.Active)); err != nil {
			return err
		}
		full, err := pair.AwaitTracked(ctx, bed.Node(pair.Standby), before+n)
		if err != nil {
			return err
		}
		if err := h.AwaitActive(ctx, pair.Standby); err != nil {
			return err
		}
		now, err := h.Use(pair.Standby)
		if err != nil {
			return err
		}
		began, err := h.Logged(pair.Standby, "promoting")
		if err != nil {
			return err
		}
		ended, err := h.Logged(pair.Standby, "activated")
		got = injection{full.Sub(began), ended.Sub(began), now.Since(used).CPU}
		return err
	})
	return got, err
}

// injectConntrackd runs `conntrackd -c` on the standby, as primary-backup.sh does when
// keepalived has decided to take over.
func (s *session) injectConntrackd(ctx context.Context, n int) (got injection, err error) {
	err = s.round(ctx, func(ctx context.Context, bed *lab.Lab, folder string) error {
		if err := pair.Fill(bed.Node(pair.Active), n); err != nil {
			return err
		}
		c, err := pair.StartConntrackd(ctx, bed, pair.ConntrackdConfig{Folder: folder, Addresses: true})
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Bulk(ctx); err != nil {
			return err
		}
		if err := pair.AwaitHeld(ctx, c, n); err != nil {
			return err
		}
		before, err := pair.Tracked(bed.Node(pair.Standby))
		if err != nil {
			return err
		}
		used, err := c.Use(pair.Standby)
		if err != nil {
			return err
		}
		type result struct {
			took time.Duration
			err  error
		}
		returned := make(chan result, 1)
		began := time.Now()
		go func() {
			out, err := c.Ask(ctx, pair.Standby, "-c")
			if err != nil {
				err = fmt.Errorf("conntrackd -c: %w: %s", err, out)
			}
			returned <- result{time.Since(began), err}
		}()
		full, err := pair.AwaitTracked(ctx, bed.Node(pair.Standby), before+n)
		r := <-returned // a process of the test bed ends with it
		if err != nil {
			return err
		}
		now, err := c.Use(pair.Standby)
		got = injection{full.Sub(began), r.took, now.Since(used).CPU}
		return errors.Join(r.err, err)
	})
	return got, err
}

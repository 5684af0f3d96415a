package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/pair"
	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/internal/lab/traffic"
)

// The targets, in milliseconds.
const (
	killSilence   = 100
	switchSilence = 20
	takeoverFlows = 1000
)

// settleMost is how long flows have to go on before they count as lost: keepalived's
// defaults find a dead node in four seconds, and TCP then waits for its timers.
const settleMost = 20 * time.Second

// takeoverReport is what clients see of a takeover.
type takeoverReport struct {
	Cases []takeoverCase `json:"cases"`
	Met   bool           `json:"met"`
}

// takeoverCase is one program and one fault. Silences are in milliseconds.
type takeoverCase struct {
	Program string          `json:"program"`
	Fault   string          `json:"fault"`
	Silence *figure.Summary `json:"silence_ms"`     // of a UDP probe a millisecond
	TCP     *figure.Summary `json:"tcp_silence_ms"` // of the TCP flow that waited longest, chunks every 5 ms
	Stall   *figure.Summary `json:"stall_ms"`       // the longest time in which client and server were not run
	Flows   int             `json:"flows"`          // established, in all rounds together
	Lost    int             `json:"lost"`           // of these
	Failed  int             `json:"requests_failed"`
}

// takeoverSample is a case being measured.
type takeoverSample struct {
	program, fault string
	target         float64 // milliseconds; zero for none
	start          func(ctx context.Context, bed *lab.Lab, folder string) (pair.Pair, error)
	harm           func(ctx context.Context, bed *lab.Lab, p pair.Pair) error

	silence, tcp, stall figure.Sample
	flows, lost, failed int
	reasons             []string
}

// switcher is a pair that can be asked to hand over.
type switcher interface {
	Switch(ctx context.Context) (time.Duration, error)
}

// powerCut takes the cables off first: what a dying process still says is not heard.
func powerCut(_ context.Context, bed *lab.Lab, p pair.Pair) error {
	if err := bed.Cut(pair.Active); err != nil {
		return err
	}
	if err := p.Kill(pair.Active); err != nil {
		return err
	}
	return bed.PowerOff(pair.Active) // its kernel forgets
}

func planned(ctx context.Context, _ *lab.Lab, p pair.Pair) error {
	_, err := p.(switcher).Switch(ctx)
	return err
}

func killed(_ context.Context, _ *lab.Lab, p pair.Pair) error {
	return p.Kill(pair.Active)
}

func (s *session) takeoverCases() []*takeoverSample {
	hold := func(ctx context.Context, bed *lab.Lab, folder string) (pair.Pair, error) {
		return s.holdfast(ctx, bed, folder, pair.Continuous, lab.Sync, lab.LAN)
	}
	keep := func(fast bool) func(context.Context, *lab.Lab, string) (pair.Pair, error) {
		return func(ctx context.Context, bed *lab.Lab, folder string) (pair.Pair, error) {
			return pair.StartKeepalived(ctx, bed, pair.KeepalivedConfig{Folder: folder, Fast: fast})
		}
	}
	return []*takeoverSample{
		{program: "Holdfast, defaults", fault: "power cut (SIGKILL, cables off)", target: killSilence, start: hold, harm: powerCut},
		{program: "keepalived 10 ms + conntrackd", fault: "power cut (SIGKILL, cables off)", start: keep(true), harm: powerCut},
		{program: "keepalived 1 s (default) + conntrackd", fault: "power cut (SIGKILL, cables off)", start: keep(false), harm: powerCut},
		{program: "Holdfast, defaults", fault: "SIGKILL of the process", target: killSilence, start: hold, harm: killed},
		{program: "Holdfast, defaults", fault: "planned", target: switchSilence, start: hold, harm: planned},
		{program: "keepalived 10 ms + conntrackd", fault: "planned", start: keep(true), harm: planned},
		{program: "keepalived 1 s (default) + conntrackd", fault: "planned", start: keep(false), harm: planned},
	}
}

func (s *session) takeover(ctx context.Context) (*takeoverReport, error) {
	cases := s.takeoverCases()
	for r := range s.rounds {
		for _, c := range cases {
			if err := s.takeoverRound(ctx, c); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", c.program, c.fault, err)
			}
			s.say("takeover, round %d of %d: %s, %s: silence %s ms, TCP %s ms, client not run for %s ms, lost %d of %d so far", r+1, s.rounds,
				c.program, c.fault, figure.Short(c.silence[r]), figure.Short(c.tcp[r]), figure.Short(c.stall[r]), c.lost, c.flows)
		}
	}
	return s.printTakeover(cases), nil
}

func (s *session) takeoverRound(ctx context.Context, c *takeoverSample) error {
	return s.round(ctx, func(ctx context.Context, bed *lab.Lab, folder string) error {
		p, err := c.start(ctx, bed, folder)
		if err != nil {
			return err
		}
		defer p.Close()
		load, err := traffic.Start(ctx, bed, traffic.Default())
		if err != nil { // as it is when the addresses are on both nodes
			return errors.Join(err, p.Undisturbed())
		}
		defer load.Close()
		if err := pair.AwaitHeld(ctx, p, takeoverFlows); err != nil {
			return err
		}
		if h, ok := p.(*pair.Holdfast); ok {
			if err := h.AwaitProtected(ctx); err != nil {
				return err
			}
		}
		if err := sleep(ctx, calm); err != nil { // acknowledgements of the other program take a second
			return err
		}
		if err := p.Undisturbed(); err != nil {
			return err
		}
		stop := watchStalls()
		load.Mark()
		if err := c.harm(ctx, bed, p); err != nil {
			stop()
			return err
		}
		done := time.Now()
		settling, cancel := context.WithTimeout(ctx, settleMost)
		defer cancel()
		report := load.Settle(settling, done)
		c.stall.AddTime(stop())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.silence.AddTime(report.Probes.Silence)
		c.tcp.AddTime(report.Fast.Silence.Max)
		c.flows += report.Before()
		c.lost += report.Lost()
		c.failed += report.Requests.Failed
		c.reasons = append(c.reasons, append(report.Slow.Reasons, report.Fast.Reasons...)...)
		return nil
	})
}

func (s *session) printTakeover(cases []*takeoverSample) *takeoverReport {
	report := &takeoverReport{Met: true}
	table := figure.Table{Head: []string{"fault: program", "silence, ms", "over Holdfast's", "TCP silence, ms", "client not run, ms", "flows", "lost", "requests failed"}}
	ours := map[string]figure.Sample{}
	for _, c := range cases {
		if c.target > 0 {
			ours[c.fault] = c.silence
		}
	}
	for _, c := range cases {
		table.Add(c.fault+": "+c.program, c.silence.String(), figure.Times(figure.Ratio(c.silence, ours[c.fault])),
			c.tcp.String(), c.stall.String(), fmt.Sprint(c.flows), fmt.Sprint(c.lost), fmt.Sprint(c.failed))
		report.Cases = append(report.Cases, takeoverCase{
			c.program, c.fault, c.silence.Summary(), c.tcp.Summary(), c.stall.Summary(), c.flows, c.lost, c.failed,
		})
	}
	s.print("\ntakeover: longest silence of a client that asks every millisecond over UDP, with %d TCP flows going on (median, least–greatest of %d)\n\n%s\n",
		cases[0].flows/s.rounds, s.rounds, table.String())
	for _, c := range cases {
		if c.target == 0 {
			continue
		}
		met := max(c.silence.Median(), c.tcp.Median()) <= c.target && c.lost == 0 && c.flows >= takeoverFlows*s.rounds
		report.Met = report.Met && met
		s.print("target: %s: silence of UDP and TCP at most %g ms, no flow lost: %s and %s ms, %d lost, %s\n", c.fault, c.target,
			figure.Short(c.silence.Median()), figure.Short(c.tcp.Median()), c.lost, figure.Verdict(met))
		for _, reason := range c.reasons {
			s.print("  %s\n", reason)
		}
	}
	return report
}

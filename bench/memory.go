package main

import (
	"context"
	"fmt"

	"github.com/holdfast-ha/holdfast/bench/figure"
	"github.com/holdfast-ha/holdfast/bench/pair"
	"github.com/holdfast-ha/holdfast/bench/usage"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// memoryFlows is the number of flows that memory is told for.
const memoryFlows = 100_000

// memoryMode is the memory of one program's processes, in MiB.
type memoryMode struct {
	Program        string  `json:"program"`
	Mode           string  `json:"mode"`
	Active         float64 `json:"active_rss_mib"`
	Standby        float64 `json:"standby_rss_mib"`
	ActiveGrowth   float64 `json:"active_growth_mib"` // over the process without flows
	StandbyGrowth  float64 `json:"standby_growth_mib"`
	ActivePerFlow  float64 `json:"active_bytes_per_flow"`
	StandbyPerFlow float64 `json:"standby_bytes_per_flow"`
}

const mebibyte = 1 << 20

// memory fills the active firewall's table before the daemons start, so that each learns
// of all flows in the way it was made for, and compares with daemons that have none. It
// is measured once: it does not depend on what else the machine does.
func (s *session) memory(ctx context.Context) ([]memoryMode, error) {
	table := figure.Table{Head: []string{"program: states go", "active, MiB", "standby, MiB", "active grew by", "standby grew by", "bytes/flow, active", "bytes/flow, standby"}}
	var all []memoryMode
	for _, m := range s.costModes() {
		var empty, full [2]usage.Use
		err := s.remember(ctx, m, 0, &empty)
		if err == nil {
			err = s.remember(ctx, m, memoryFlows, &full)
		}
		if err != nil {
			return nil, fmt.Errorf("memory of %s, %s: %w", m.program, m.mode, err)
		}
		active, standby := full[0].Since(empty[0]).Resident, full[1].Since(empty[1]).Resident
		mib := func(n int64) float64 { return float64(n) / mebibyte }
		mode := memoryMode{
			m.program, m.mode, mib(full[0].Resident), mib(full[1].Resident), mib(active), mib(standby),
			float64(active) / memoryFlows, float64(standby) / memoryFlows,
		}
		all = append(all, mode)
		table.Add(m.program+": "+m.mode, figure.Short(mode.Active), figure.Short(mode.Standby), figure.Short(mode.ActiveGrowth),
			figure.Short(mode.StandbyGrowth), figure.Short(mode.ActivePerFlow), figure.Short(mode.StandbyPerFlow))
		s.say("memory: %s, %s: active %s MiB, standby %s MiB", m.program, m.mode, figure.Short(mode.Active), figure.Short(mode.Standby))
	}
	s.print("\nmemory: resident size of the processes with %d flows\n\n%s", memoryFlows, table.String())
	return all, nil
}

func (s *session) remember(ctx context.Context, m *costSample, flows int, uses *[2]usage.Use) error {
	return s.round(ctx, func(ctx context.Context, bed *lab.Lab, folder string) error {
		if err := pair.Fill(bed.Node(pair.Active), flows); err != nil {
			return err
		}
		p, err := m.start(ctx, bed, folder)
		if err != nil {
			return err
		}
		defer p.Close()
		if c, ok := p.(*pair.Conntrackd); ok && flows > 0 {
			if err := c.Bulk(ctx); err != nil {
				return err
			}
		}
		if err := pair.AwaitHeld(ctx, p, flows); err != nil {
			return err
		}
		if err := sleep(ctx, calm); err != nil { // until buffers are given back
			return err
		}
		for i, node := range []string{pair.Active, pair.Standby} {
			if uses[i], err = p.Use(node); err != nil {
				return err
			}
		}
		return nil
	})
}

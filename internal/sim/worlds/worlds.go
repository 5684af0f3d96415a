// Package worlds lists the worlds that there are to be simulated.
package worlds

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ha/holdfast/internal/sim"
	"github.com/holdfast-ha/holdfast/internal/sim/cohorts"
	"github.com/holdfast-ha/holdfast/internal/sim/pair"
	"github.com/holdfast-ha/holdfast/internal/sim/peers"
	"github.com/holdfast-ha/holdfast/internal/sim/proxies"
	"github.com/holdfast-ha/holdfast/internal/sim/servers"
	"github.com/holdfast-ha/holdfast/internal/sim/services"
)

// World is one of them.
type World struct {
	Name  string
	Run   func(seed uint64, limits sim.Limits) *sim.Report
	Times int // how many seeds it is given where others are given one: those of some are short
}

// All gives all worlds.
func All() []World {
	return []World{
		{proxies.Name, proxies.Run, 1},
		{pair.Name, pair.Run, 1},
		{cohorts.Name, cohorts.Run, 20},
		{services.Name, services.Run, 4},
		{services.LocksName, services.RunLocks, 4},
		{services.CallsName, services.RunCalls, 4},
		{servers.Name, servers.Run, 4},
		{peers.Name, peers.Run, 1},
	}
}

// Names gives their names, with commas between.
func Names() string {
	var names []string
	for _, w := range All() {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}

// Choose gives the world of a name, or all of them for "".
func Choose(name string) ([]World, error) {
	all := All()
	if name == "" {
		return all, nil
	}
	i := slices.IndexFunc(all, func(w World) bool { return w.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no world %q; there are %s", name, Names())
	}
	return all[i : i+1], nil
}

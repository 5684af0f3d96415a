package peers

import (
	"flag"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim"
)

var seeds = flag.Int("seeds", 40, "how many seeds")
var from = flag.Uint64("from", 0, "first seed")

func TestSome(t *testing.T) {
	fails := 0
	var enters, held int
	var most time.Duration
	for seed := *from; seed < *from+uint64(*seeds); seed++ {
		w := &peers{}
		r := run(w, seed, sim.Limits{})
		enters += w.enters
		held += w.held
		if w.Report.Calm > most {
			most = w.Report.Calm - w.opt.phase
		}
		if r.Failed() {
			fails++
			if fails < 6 {
				t.Errorf("seed %d: %v %s [%s]", seed, r.Class, r.Text, r.Options)
			}
		}
	}
	t.Logf("%d failed, %d enters, %d held, calm at most %v", fails, enters, held, most)
}

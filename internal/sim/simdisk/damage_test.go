package simdisk_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// damageSchedules is how many journals are damaged; each in several places.
const damageSchedules = 150

// outcome counts what came of the damages.
type outcome struct{ refused, cut, harmless int }

// damage runs a schedule, ends it by a power cut or by closing the log, and then tries one
// damage after the other, each alone: it must be refused, with its place, or cut off what
// was not told durable.
func damage(seed uint64, sum *outcome) error {
	w, err := run(seed)
	if err != nil {
		return err
	}
	// Two more writes at least, so that there is something to damage in this life.
	for range 3 {
		w.append()
		if err := w.pass(time.Second); err != nil {
			return err
		}
	}
	closed := w.rng.IntN(2) == 0
	if closed {
		w.log.Close()
		if err := w.pass(time.Second); err != nil {
			return err
		}
	} else {
		w.append()
		if err := w.pass(time.Duration(w.rng.Int64N(int64(3 * time.Millisecond)))); err != nil {
			return err
		}
	}
	if w.ended || w.old != nil {
		return nil
	}
	w.disk.Crash(w.disk.Now())
	least := w.now.acked
	if !closed {
		// What of the last write was damaged cannot be told from a torn write.
		least = w.now.before
	}
	for range 12 {
		if err := w.flip(least, sum); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return w.open()
}

// flip flips a bit, recovers, judges, and flips it back.
func (w *world) flip(least uint64, sum *outcome) error {
	names, _ := w.disk.List()
	name := names[w.rng.IntN(len(names))]
	size := len(strings.TrimRight(string(w.disk.Bytes(name)), "\x00"))
	if size == 0 {
		return nil
	}
	offset, bit := w.rng.Int64N(int64(size)), uint(w.rng.IntN(8))
	copied := w.disk.Clone()
	copied.Flip(name, offset, bit)
	var s service
	_, found, err := simdisk.Open(copied, w.cfg, &s)
	var refusal *journal.Refusal
	switch {
	case errors.As(err, &refusal):
		sum.refused++
		if refusal.File == "" || refusal.Problem == "" || refusal.Remedy == "" {
			return fmt.Errorf("%s byte %d: refused without place or remedy: %v", name, offset, err)
		}
		if s != (service{}) {
			return fmt.Errorf("%s byte %d: refused, after %d records were handed over", name, offset, s.index)
		}
		return nil
	case err != nil:
		return fmt.Errorf("%s byte %d: %w", name, offset, err)
	case !w.now.has(s) || s.index != found.Last:
		return fmt.Errorf("%s byte %d: record %d was recovered with a state that never was", name, offset, s.index)
	case s.index < least:
		return fmt.Errorf("%s byte %d: record %d was told durable, and the log ends with %d: %v", name, offset, least, s.index, found.Cut)
	case s.index < w.now.acked && found.Cut.File != name:
		return fmt.Errorf("%s byte %d: the log ends with %d instead of %d, and nothing is said of it", name, offset, s.index, w.now.acked)
	case found.Cut.File != "":
		sum.cut++
	default:
		sum.harmless++
	}
	return nil
}

// TestDamageIsCutOrRefused flips bits of what is durable.
func TestDamageIsCutOrRefused(t *testing.T) {
	var sum outcome
	for seed := range uint64(damageSchedules) {
		if err := damage(seed+1, &sum); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("of the damages %d were refused, %d cut a tail that was not told durable, %d hit what is needless", sum.refused, sum.cut, sum.harmless)
	if sum.refused == 0 || sum.cut == 0 {
		t.Error("one of the answers was never given")
	}
}

package detect

import (
	"math"
	"testing"
	"time"
)

// TestPhi compares with values computed to 60 digits by another program (mpmath):
// -log10(erfc(z/√2)/2).
func TestPhi(t *testing.T) {
	for _, c := range []struct{ z, want float64 }{
		{-8, 2.7017288495439213e-16},
		{-3, 0.00058664931379006669},
		{-1, 0.075026012957818023},
		{0, 0.3010299956639812},
		{0.5, 0.51069198926524077},
		{1, 0.7995455414919705},
		{2, 1.643016080140937},
		{3, 2.8696990359293691},
		{thresholdDeviations, 8},
		{10, 23.118053405486076},
		{20, 88.560095343075592},
		{29.9, 196.00705043724339},
		{30, 197.30920926166095},
		{30.1, 198.61570623725255},
		{37, 299.24218117860992},
		{40, 349.43700645934584},
		{100, 2173.8715428690344},
		{1000, 217150.64004199439},
		{100000, 2171472414.9153491},
	} {
		for _, scale := range []struct{ mean, deviation float64 }{{0, 1}, {100, 25}, {1e6, 3}} {
			got := phi(scale.mean+c.z*scale.deviation, scale.mean, scale.deviation)
			// Silence itself is rounded, by more the larger the mean is against the deviation.
			rounding := 1e-15 * scale.mean / scale.deviation * (math.Abs(c.z) + 1)
			if math.Abs(got-c.want) > 1e-12*c.want+2e-16+rounding {
				t.Errorf("phi at %v deviations from %v: %v, want %v", c.z, scale.mean, got, c.want)
			}
		}
	}
	if got := reaches(100, 25); math.Abs(phi(got, 100, 25)-threshold) > 1e-12 {
		t.Errorf("phi(reaches) = %v", phi(got, 100, 25))
	}
}

func TestPhiGrows(t *testing.T) {
	before := -1.0
	for silence := range 20000 {
		level := phi(float64(silence), 100, 25)
		if level < before || math.IsNaN(level) {
			t.Fatalf("phi falls from %v to %v at %d", before, level, silence)
		}
		before = level
	}
}

func TestPatience(t *testing.T) {
	const s = testSuspect
	us := func(d time.Duration) float64 { return float64(d.Microseconds()) }
	for _, c := range []struct {
		name    string
		reached time.Duration
		recent  float64
		want    time.Duration
	}{
		{"regular arrivals", 240 * time.Millisecond, 0, s},
		{"irregular ones", 700 * time.Millisecond, 0, 700 * time.Millisecond},
		{"very irregular ones", time.Minute, 0, 2 * s},
		{"one wrong suspicion", 240 * time.Millisecond, 1, s + s/2},
		{"an old one", 240 * time.Millisecond, 0.1, s + s/20},
		{"many", 0, flapMax, 2 * s},
		{"both", 700 * time.Millisecond, 0.4, 800 * time.Millisecond},
	} {
		if got := patience(s, us(c.reached), c.recent); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestWindow compares with sums over a plain slice.
func TestWindow(t *testing.T) {
	var w window
	var all []float64
	for i := range 1000 {
		d := time.Duration(i*i%977) * 100 * time.Microsecond
		if i%100 == 7 {
			d = 3 * suspectMax // counts as the most
		}
		w.add(d)
		all = append(all, float64(min(d, patienceMax*suspectMax).Microseconds()))
		all = all[max(0, len(all)-windowSize):]
		var sum, squares float64
		for _, v := range all {
			sum += v
		}
		mean := sum / float64(len(all))
		for _, v := range all {
			squares += (v - mean) * (v - mean)
		}
		deviation := math.Sqrt(squares / float64(len(all)))
		gotMean, gotDeviation := w.normal()
		if math.Abs(gotMean-mean) > 1e-6*mean || math.Abs(gotDeviation-deviation) > 1e-6*deviation+1 {
			t.Fatalf("after %d intervals: %v ± %v, want %v ± %v", i+1, gotMean, gotDeviation, mean, deviation)
		}
	}
}

func TestClock(t *testing.T) {
	begin := time.Unix(1e9, 0)
	const due, tolerance = 100, 25
	for _, c := range []struct {
		name        string
		elapsed     time.Duration
		ran, paused time.Duration
	}{
		{"in time", 100, 100, 0},
		{"early", 30, 30, 0},
		{"a little late", 125, 125, 0},
		{"late", 126, 100, 26},
		{"a leap of the clock", 1 << 62, 100, 1<<62 - 100},
		{"backwards", -1 << 62, 0, 0},
		{"at once", 0, 0, 0},
	} {
		k := clock{last: begin}
		if paused := k.advance(begin.Add(c.elapsed), due, tolerance); k.ran != c.ran || paused != c.paused {
			t.Errorf("%s: ran %d, paused %d", c.name, k.ran, paused)
		}
		if at := k.when(k.ran + 5); !at.Equal(begin.Add(c.elapsed + 5)) {
			t.Errorf("%s: 5 later is %v", c.name, at.Sub(begin))
		}
	}
}

// Package figure turns measurements into what a person reads: the median with least and
// greatest, the ratio of two programs, tables in text, and plots in SVG.
//
// Medians are used throughout: a round in which the machine did something else spoils
// the mean, and is shown by the greatest.
package figure

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Sample is what the rounds of one benchmark measured, in one unit.
type Sample []float64

// Add appends a measurement.
func (s *Sample) Add(v float64) { *s = append(*s, v) }

// AddTime appends a time in milliseconds.
func (s *Sample) AddTime(d time.Duration) { s.Add(float64(d) / 1e6) }

// Median is the middle of the measurements, of an even number the mean of the middle
// two; NaN where there are none.
func (s Sample) Median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Least is the smallest measurement; NaN where there are none.
func (s Sample) Least() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	return slices.Min(s)
}

// Most is the greatest measurement; NaN where there are none.
func (s Sample) Most() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	return slices.Max(s)
}

// Summary is a sample in JSON.
type Summary struct {
	Median float64   `json:"median"`
	Least  float64   `json:"min"`
	Most   float64   `json:"max"`
	All    []float64 `json:"all"` // in the order measured
}

// Summary gives the sample for JSON, nil where there are no measurements.
func (s Sample) Summary() *Summary {
	if len(s) == 0 {
		return nil
	}
	return &Summary{s.Median(), s.Least(), s.Most(), s}
}

// String gives "12.3 (11.9–14.0)".
func (s Sample) String() string {
	if len(s) == 0 {
		return "–"
	}
	if len(s) == 1 {
		return Short(s[0])
	}
	return fmt.Sprintf("%s (%s–%s)", Short(s.Median()), Short(s.Least()), Short(s.Most()))
}

// Short gives three significant digits and no exponent.
func Short(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v == 0:
		return "0"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// Ratio is the median of one sample over that of another, NaN where one is missing.
func Ratio(over, under Sample) float64 { return over.Median() / under.Median() }

// Times gives a ratio as "3.42x".
func Times(ratio float64) string {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return "–"
	}
	return Short(ratio) + "x"
}

// Verdict says in a word whether a target was met.
func Verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

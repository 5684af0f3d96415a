package detect

import "math"

// threshold is the level at which silence may become a suspicion: the next arrival would
// have been this late with a probability of 10^-8.
const threshold = 8

// thresholdDeviations is by how many standard deviations a normal value exceeds its mean
// with a probability of 10^-threshold: phi(x) = threshold exactly there. The test compares
// it with phi.
const thresholdDeviations = 5.612001244174789

// tail is where phi changes from the complementary error function to its expansion, in
// standard deviations. At 30, erfc is 10^-197: far from where it underflows (37.5).
const tail = 30

// phi is the level of suspicion of the φ accrual failure detector (N. Hayashibara,
// X. Défago, R. Yared, T. Katayama: The φ Accrual Failure Detector, SRDS 2004, section 5):
//
//	φ = -log10 P(the next arrival comes later than silence)
//
// arrivals being normally distributed with that mean and deviation. All three are in the
// same unit; a deviation must be above zero. φ = 1 means that suspecting now would be a
// mistake once in ten times, φ = 8 once in a hundred million.
//
// P is ½ erfc(z/√2), z = (silence-mean)/deviation. Beyond z = 30 the first terms of the
// asymptotic series stand for it, ln P = -z²/2 - ln(z√(2π)) + ln(1 - 1/z² + 3/z⁴ - 15/z⁶), so that φ
// goes on growing where erfc has become zero (φ = 307). The error is below 10^-12 of φ on either
// side, and φ below 10^-8 may differ by 10^-16: P is taken as one minus that.
func phi(silence, mean, deviation float64) float64 {
	z := (silence - mean) / deviation
	if z < tail {
		return max(0, -math.Log10(math.Erfc(z/math.Sqrt2)/2))
	}
	series := math.Log1p(((3-15/(z*z))/(z*z) - 1) / (z * z))
	return (z*z/2 + math.Log(z*math.Sqrt(2*math.Pi)) - series) / math.Ln10
}

// reaches is the silence at which phi reaches the threshold.
func reaches(mean, deviation float64) float64 { return mean + thresholdDeviations*deviation }

//go:build !linux

package client

import "time"

// sinceBoot is the time by the clock of package time, which may stand still while the machine sleeps; then the
// wall clock tells.
func sinceBoot() time.Duration { return time.Since(time.Unix(0, 0)) }

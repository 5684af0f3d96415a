package demo

import (
	"fmt"
	"io"
	"time"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/internal/lab/traffic"
)

// Config says what is shown, and how.
type Config struct {
	// Program is the path of the holdfast program that the nodes run. Required.
	Program string

	// Flows is how many long transfers there are, from 10 to 10,000. 0: 1,000.
	Flows int

	// Inject is the nodes' setting of that name. "": continuous.
	Inject config.Inject

	// RetransmitMin is TCP's least retransmission time on client and server. 0: 5 ms,
	// the test bed's; 200 ms is the kernel's, which then is most of what TCP shows.
	RetransmitMin time.Duration

	// Output takes everything. Required.
	Output io.Writer

	Look Look
}

// Look is the form of the output.
type Look struct {
	JSON    bool // one value at the end and nothing else
	Quiet   bool // the figures at the end and nothing else
	Live    bool // a screen of 80 columns and 24 rows that is drawn anew; else lines
	Colours bool
	ASCII   bool // no characters beyond it
}

const flowsDefault = 1000

// complete fills in the defaults and refuses what cannot work.
func (c *Config) complete() error {
	if c.Flows == 0 {
		c.Flows = flowsDefault
	}
	if c.Flows < flowsMin || c.Flows > flowsMax {
		return fmt.Errorf("%d flows: there must be from %d to %d", c.Flows, flowsMin, flowsMax)
	}
	if c.Inject == "" {
		c.Inject = config.Continuous
	}
	if c.Inject != config.Continuous && c.Inject != config.AtTakeover {
		return fmt.Errorf("inject %q: it is %q or %q", c.Inject, config.Continuous, config.AtTakeover)
	}
	if c.RetransmitMin == 0 {
		c.RetransmitMin = retransmitDefault
	}
	return nil
}

// retransmitDefault is lab's.
const retransmitDefault = 5 * time.Millisecond

// length is how long a phase lasts at least.
func (c *Config) length(d time.Duration) time.Duration {
	if c.Look.Live {
		return liveFactor * d
	}
	return d
}

func (c *Config) bed() lab.Config { return lab.Config{RetransmitMin: c.RetransmitMin} }

// load is so much traffic that Flows long transfers are among it.
func (c *Config) load() traffic.Config {
	load := traffic.Default()
	load.FastFlows = min(fastMax, max(1, c.Flows/fastShare))
	load.Flows = c.Flows - load.FastFlows
	load.ProbeInterval = probeEvery
	load.Requests.Timeout = requestTimeout
	return load
}

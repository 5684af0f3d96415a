package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/internal/lab/traffic"
)

// director plays the demonstration.
type director struct {
	config  Config
	stage   *stage
	folder  string
	bed     *lab.Lab
	nodes   [2]*node
	load    *traffic.Load
	sampler *sampler
	figures Figures
}

// play does everything that is shown, in order.
func (d *director) play(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.build, d.startNodes, d.startLoad, d.calm, d.powerCut, d.bringBack, d.plannedSwitch,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.stage.announce("", "done")
	return nil
}

// build makes the test bed and the nodes' files.
func (d *director) build(context.Context) (err error) {
	d.stage.announce("", "building the test bed: five network namespaces, ten cables")
	if d.bed, err = lab.Open(d.config.bed()); err != nil {
		return err
	}
	if d.folder, err = newFolder(); err != nil {
		return &OpError{"make a temporary folder", err}
	}
	sockets, err := writeFiles(d.folder, d.bed, d.config.Inject)
	if err != nil {
		return &OpError{"write the nodes' files", err}
	}
	for i, name := range []string{lab.FW1, lab.FW2} {
		d.nodes[i] = &node{
			bed: d.bed.Node(name), program: d.config.Program, file: fileOf(d.folder, name), socket: sockets[name],
			told: d.stage.log,
		}
	}
	d.stage.mu.Lock()
	d.stage.nodes = d.nodes[:]
	d.stage.mu.Unlock()
	d.stage.say("", false, "the test bed is built")
	return nil
}

func (d *director) startNodes(ctx context.Context) error {
	d.stage.announce("", "starting holdfast run on fw1 and fw2")
	for _, n := range d.nodes {
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	return d.until(ctx, startMax, "wait for one node to be active and the other to be its standby", func() bool {
		active, standby := d.pair()
		return active != nil && active.protected(0) && standby.role() == control.Standby
	})
}

// pair gives the active node and the other; nil unless exactly one is active.
func (d *director) pair() (active, other *node) {
	for i, n := range d.nodes {
		if n.role() == control.Active {
			if active != nil {
				return nil, nil
			}
			active, other = n, d.nodes[1-i]
		}
	}
	return active, other
}

func (d *director) startLoad(ctx context.Context) error {
	c := d.config.load()
	d.stage.announce("", "opening %s through the active node", control.Count(d.config.Flows, "long transfer"))
	if err := d.room(); err != nil {
		return err
	}
	var err error
	if d.load, err = traffic.Start(ctx, d.bed, c); err != nil {
		return err
	}
	d.sampler = newSampler(ctx, d.stage.start, d.bed, d.load)
	d.stage.loaded(d.sampler, d.config.Flows)
	d.stage.say("", false, "%s, a probe each ms, %d requests/s", control.Count(d.config.Flows, "transfer"), c.Requests.Rate)
	return d.sayProven(ctx)
}

// roomMin is how many connections the tracker must have room for besides the long
// transfers: a closed one is remembered for two minutes.
const roomMin = 6000

// room checks that the kernel tracks so many connections.
func (d *director) room() error {
	limit, err := d.bed.Node(lab.FW1).ConntrackMax()
	if need := d.config.Flows + roomMin; err == nil && limit > 0 && limit < need {
		return &OpError{"open flows", fmt.Errorf("this kernel tracks %d connections at most and %d are needed: run sudo sysctl -w net.netfilter.nf_conntrack_max=%d, or ask for fewer with --flows", limit, need, 2*need)}
	}
	return err
}

// proven waits until the standby has proven that it holds all flows.
func (d *director) proven(ctx context.Context) error {
	return d.until(ctx, protectedMax, "wait for the standby to prove its copy", func() bool {
		active, standby := d.pair()
		return active != nil && active.protected(d.config.Flows) && standby.role() == control.Standby
	})
}

// sayProven waits for that and says so.
func (d *director) sayProven(ctx context.Context) error {
	if err := d.proven(ctx); err != nil {
		return err
	}
	if active, standby := d.pair(); active != nil {
		st, _ := active.look()
		d.figures.Version = st.Version
		d.stage.say(active.name(), false, "%s has proven a copy of %s", standby.name(), control.Count(st.Flows.Own, "flow"))
	}
	return nil
}

// until waits for something that the nodes' statuses show.
func (d *director) until(ctx context.Context, most time.Duration, op string, ready func() bool) error {
	waiting, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	ticker := time.NewTicker(redialEvery)
	defer ticker.Stop()
	for {
		for _, n := range d.nodes {
			if err := n.health(); err != nil {
				return &OpError{op, err}
			}
		}
		if ready() {
			return nil
		}
		select {
		case <-ticker.C:
		case <-waiting.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &OpError{op, fmt.Errorf("it did not happen within %v; %s; %s", most, d.nodes[0].why(), d.nodes[1].why())}
		}
	}
}

// pause lets time pass.
func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-time.After(length):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// calm measures what the clients see when nothing happens.
func (d *director) calm(ctx context.Context) error {
	d.stage.announce("", "nothing happens yet: for comparison")
	d.sampler.begin(false)
	if err := pause(ctx, d.config.length(calmLength)); err != nil {
		return err
	}
	d.figures.Calm = phaseOf(d.load.Report(time.Now().Add(-freshness)))
	d.figures.Calm.PausedMS = control.MillisecondsOf(d.sampler.end())
	return nil
}

// ready waits for a moment in which one node is active and the other its proven
// standby, and prepares the sampler for what comes.
func (d *director) ready(ctx context.Context) (active, standby *node, err error) {
	d.sampler.closer(true)
	for range triesMax {
		if err := d.proven(ctx); err != nil {
			return nil, nil, err
		}
		if err := pause(ctx, 2*plotBefore); err != nil { // for the picture
			return nil, nil, err
		}
		active, standby = d.pair()
		if active != nil && active.ask(ctx) == control.Active && standby.ask(ctx) == control.Standby {
			return active, standby, nil
		}
		d.stage.say("", false, "the nodes changed places by themselves; waiting for them")
	}
	return nil, nil, &OpError{"wait for a quiet moment", fmt.Errorf("the nodes change places again and again, as on a machine that stands still for longer than they wait; %s; %s", d.nodes[0].why(), d.nodes[1].why())}
}

// strike measures one fault. It is over when every transfer has got something new or
// is given up, but not before phaseLength.
func (d *director) strike(ctx context.Context, from, to *node, fault func() error) (p Phase, err error) {
	defer d.sampler.closer(false)
	at := d.sampler.begin(true)
	defer d.sampler.end()
	// A flow that an earlier fault has silenced is not there any more.
	dead := min(d.load.Report(at.Add(-freshness)).Lost(), d.figures.PowerCut.FlowsLost)
	if err := fault(); err != nil {
		return p, err
	}
	after := time.Now()
	settling, cancel := context.WithDeadline(ctx, at.Add(settleMax))
	d.load.Settle(settling, after)
	cancel()
	if err := pause(ctx, time.Until(at.Add(d.config.length(phaseLength)))); err != nil {
		return p, err
	}
	p = phaseOf(d.load.Report(after))
	p.FlowsBefore, p.FlowsLost = p.FlowsBefore-dead, max(p.FlowsLost-dead, 0)
	p.From, p.To = from.name(), to.name()
	p.PausedMS = control.MillisecondsOf(d.sampler.end())
	p.TakeoverMS = control.MillisecondsOf(to.activeSince(at))
	d.picture(&p, at)
	if p.TakeoverMS == 0 {
		err = fmt.Errorf("%s did not become active by it; %s", to.name(), to.why())
	}
	return p, err
}

// picture takes the samples around a fault.
func (d *director) picture(p *Phase, at time.Time) {
	fault := at.Sub(d.stage.start)
	from := fault - plotBefore
	samples := d.sampler.seen(from, fault+plotAfter)
	p.EveryMS = control.MillisecondsOf(plotEvery)
	p.Answers = answers(samples, from, plotEvery, plotCols)
	p.Heard = heard(samples, fault, from, plotEvery, plotCols, p.FlowsBefore)
}

// powerCut is the first fault.
func (d *director) powerCut(ctx context.Context) error {
	active, other, err := d.ready(ctx)
	if err != nil {
		return err
	}
	d.stage.announce("1 of 2", "%s, the active node, loses its power: SIGKILL and all cables at once", active.name())
	p, err := d.strike(ctx, active, other, func() error {
		at := time.Now()
		cut := make(chan error, 1)
		go func() { cut <- d.bed.Cut(active.name()) }()
		// The end of a process occupies the kernel's network configuration for a while,
		// in which its machine would forward on: the cables come first.
		if err := errors.Join(pause(ctx, cutLead), active.kill(), <-cut); err != nil {
			return err
		}
		d.stage.power(active.name(), false)
		d.stage.sayAt(at, "", true, "%s is killed with SIGKILL and all its cables are off", active.name())
		return nil
	})
	d.figures.PowerCut = p
	// What its kernel knew goes later than the power: on this machine emptying one kernel
	// keeps the other from taking the addresses, for they are the same.
	if err = errors.Join(err, d.bed.PowerOff(active.name())); err != nil {
		return &OpError{"cut the power of " + active.name(), err}
	}
	d.told("the power cut", &p)
	return nil
}

func (d *director) told(what string, p *Phase) {
	d.stage.say("", true, "%s: %d of %d flows lost, silence %s", what, p.FlowsLost, p.FlowsBefore, control.Age(p.ProbeSilenceMS.Duration()))
}

// bringBack gives the dead node power and a new life.
func (d *director) bringBack(ctx context.Context) error {
	active, dead := d.pair()
	if active == nil {
		return &OpError{"bring the dead node back", errors.New("no node is active; " + d.nodes[0].why() + "; " + d.nodes[1].why())}
	}
	d.stage.announce("1 of 2", "%s has power again, with an empty kernel: it must get everything", dead.name())
	if err := d.bed.PowerOn(dead.name()); err != nil {
		return err
	}
	at := time.Now()
	d.stage.power(dead.name(), true)
	d.stage.sayAt(at, "", false, "%s has power again", dead.name())
	if err := dead.start(ctx); err != nil {
		return err
	}
	err := d.until(ctx, startMax, "wait for "+dead.name()+" to be a standby again", func() bool {
		return dead.role() == control.Standby
	})
	if err == nil {
		err = d.sayProven(ctx)
	}
	if err != nil {
		return err
	}
	d.figures.PowerCut.ProvenMS = control.MillisecondsOf(time.Since(at))
	return pause(ctx, d.config.length(phaseLength/3))
}

// plannedSwitch is the second.
func (d *director) plannedSwitch(ctx context.Context) error {
	active, other, err := d.ready(ctx)
	if err != nil {
		return err
	}
	d.stage.announce("2 of 2", "a planned handover: holdfast switch on %s", active.name())
	var result control.SwitchResult
	p, err := d.strike(ctx, active, other, func() (err error) {
		d.stage.say("", true, "holdfast switch on %s", active.name())
		result, err = active.handOver(ctx)
		return err
	})
	p.SwitchMS = result.TookMS
	d.figures.Switch = p
	if err != nil {
		return &OpError{"switch", err}
	}
	d.told("the switch", &p)
	return nil
}

// close ends everything and leaves nothing behind.
func (d *director) close() error {
	var errs []error
	if d.sampler != nil {
		d.sampler.close()
	}
	if d.load != nil {
		errs = append(errs, d.load.Close())
	}
	if d.bed != nil {
		errs = append(errs, d.bed.Close()) // with the nodes' processes
	}
	for _, n := range d.nodes {
		if n != nil {
			n.wait.Wait()
		}
	}
	if d.folder != "" {
		errs = append(errs, os.RemoveAll(d.folder))
	}
	if err := errors.Join(errs...); err != nil {
		return &OpError{"clean up", err}
	}
	return nil
}

package holdfast

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/internal/edge/disk"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// memoryOnly is the Durability without a log.
const memoryOnly = "memory"

// two says whether the service is one of two servers.
func (c *ServiceConfig) two() bool { return c.Style == Pair || c.Style == Checkpointed }

// durability is what is kept of a pair: "log" or "memory"; "" with another style.
func (c *ServiceConfig) durability() string {
	switch {
	case c.Style != Pair:
		return ""
	case c.Data == "":
		return memoryOnly
	}
	return cmp.Or(c.Durability, "log")
}

// serveTwo is Serve for a service of two servers, and for their arbiter.
func (n *Node) serveTwo(cfg ServiceConfig) (*Service, error) {
	fail := func(k Kind, err error) (*Service, error) {
		return nil, &Error{Op: "serve", Group: cfg.Name, Kind: k, Err: err}
	}
	two, err := cfg.servers(&n.cfg, n.names)
	if err != nil {
		return fail(Invalid, err)
	}
	logs := cfg.durability() == "log" && !slices.Contains(n.cfg.Witnesses, n.cfg.Name)
	if cfg.Style == Checkpointed {
		two.Store = func(cluster uint32, member view.ID) (driver.Store, error) {
			s, err := disk.OpenShared(cfg.Data, cluster, member)
			if err != nil {
				return nil, err // not a Store that is none
			}
			return s, nil
		}
	} else if cfg.Data != "" && !logs {
		two.Mark = func(cluster uint32, member view.ID) (driver.Mark, error) {
			m, err := disk.OpenMark(cfg.Data, cluster, member)
			if err != nil {
				return nil, err // not a Mark that is none
			}
			return m, nil
		}
	}
	if !slices.Contains(n.cfg.Witnesses, n.cfg.Name) {
		r := driver.ReplicaConfig{Two: two}
		if logs {
			r.Disk = cfg.disk()
		}
		return n.keep(&cfg, r)
	}
	s := &Service{name: cfg.Name}
	s.replica, err = n.cohort.Serve(driver.ReplicaConfig{
		Group: cohort.GroupConfig{Name: cfg.Name}, Two: two,
		Answer: func(uint64, []byte) {}, Notice: func(uint64, []byte) {}, Flush: func() {},
		Happened: func(c replica.Command) { n.tellDivergence(cfg.Name, c) },
	})
	if err != nil {
		return nil, failure("serve", cfg.Name, err)
	}
	n.watch(s)
	return s, nil
}

// servers finds the two servers, and what is done when they do not hear one another.
func (c *ServiceConfig) servers(node *Config, names []string) (*driver.Two, error) {
	two, alone, err := c.partners(node, names)
	if err != nil {
		return nil, err
	}
	two.Terms = "style=" + c.Style.String()
	if alone != "" {
		two.Terms += " alone=" + strings.ReplaceAll(alone, " ", ":")
	}
	if durability := c.durability(); durability != "" {
		two.Terms += " durability=" + durability
	}
	if own := session.Terms(c.Service); own != "" {
		two.Terms += " " + own
	}
	return two, nil
}

// partners finds them without the words for it, and gives what is done when they do not hear one another.
func (c *ServiceConfig) partners(node *Config, names []string) (*driver.Two, string, error) {
	witness := slices.Contains(node.Witnesses, node.Name)
	var workers []string
	for _, name := range names[1:] {
		if !slices.Contains(node.Witnesses, name) {
			workers = append(workers, name)
		}
	}
	id := func(name string) view.ID { return view.ID(slices.Index(names, name)) }
	switch {
	case len(workers) != 2:
		return nil, "", fmt.Errorf("the style is %v, and %d members are no witnesses: %s; it is one of two servers, so have two and at most a witness, or choose another style", c.Style, len(workers), quoted(workers))
	case !witness && c.Service == nil:
		return nil, "", errors.New("there is no Service; give one that executes commands")
	case !witness && c.Socket == "":
		return nil, "", errors.New("there is no Socket; name the path at which clients come in")
	case witness && (c.Service != nil || c.Socket != ""):
		return nil, "", fmt.Errorf("%s is a witness, which only says who goes on alone; leave Service and Socket out at it", node.Name)
	case c.Data != "" && !filepath.IsAbs(c.Data):
		return nil, "", fmt.Errorf("the path Data is %q; give an absolute path, for what is kept must be found again", c.Data)
	case c.Durability != "" && c.Durability != memoryOnly && c.Durability != "log":
		return nil, "", fmt.Errorf(`the choice Durability is %q; write "log" or %q`, c.Durability, memoryOnly)
	case c.Durability != "" && c.Style != Pair:
		return nil, "", fmt.Errorf("the choice Durability is %q, and the style is %v, in which all is in the store; leave it out", c.Durability, c.Style)
	case c.Durability == "log" && c.Data == "":
		return nil, "", errors.New(`the choice Durability is "log", and there is no Data; name a directory`)
	case c.Voters != 0 || c.Comparer != nil:
		return nil, "", fmt.Errorf("there are Voters or a Comparer, and the style is %v, which has no vote; leave them out", c.Style)
	}
	if c.Style == Checkpointed {
		switch {
		case witness:
			return nil, "", fmt.Errorf("%s is a witness, and the style is %v, in which the store decides; leave the service out at it", node.Name, c.Style)
		case c.Data == "":
			return nil, "", fmt.Errorf("the style is %v, and there is no Data; name the directory that both servers reach", c.Style)
		case c.Alone != "":
			return nil, "", fmt.Errorf("the choice Alone is %q, and the style is %v, in which the store decides who goes on; leave it out", c.Alone, c.Style)
		}
		return &driver.Two{Members: [2]view.ID{id(workers[0]), id(workers[1])}, Preferred: id(workers[0])}, "", nil
	}
	two := &driver.Two{Members: [2]view.ID{id(workers[0]), id(workers[1])}, Preferred: id(workers[0])}
	alone := c.Alone
	if alone == "" && len(node.Witnesses) == 1 {
		alone = "witness"
	}
	preferred, prefers := strings.CutPrefix(alone, "prefer ")
	switch {
	case alone == "witness" && len(node.Witnesses) == 1:
		two.Policy, two.Arbiter = pair.Arbitrate, id(node.Witnesses[0])
		if witness && c.Data == "" {
			return nil, "", fmt.Errorf("%s says who goes on alone, and must not forget it: give it Data, a directory", node.Name)
		}
		return two, alone, nil
	case alone == "witness":
		return nil, "", fmt.Errorf(`the choice Alone is "witness", and the cluster has %d; have one, or say "prefer %s"`, len(node.Witnesses), workers[0])
	case witness:
		return nil, "", fmt.Errorf("the choice Alone is %q, so nobody asks the witness %s; leave it out of the cluster, or leave Alone out", alone, node.Name)
	case prefers && slices.Contains(workers, preferred):
		two.Policy, two.Preferred = pair.Prefer, id(preferred)
	case alone == "freeze":
		two.Policy = pair.Freeze
	case alone == "":
		return nil, "", fmt.Errorf(`two servers cannot tell a crash from a network that is cut, and Alone does not say who goes on then: have a witness in the cluster, or write "prefer %s" or "freeze"`, workers[0])
	default:
		return nil, "", fmt.Errorf(`the choice Alone is %q; write "witness", "prefer %s", "prefer %s" or "freeze"`, alone, workers[0], workers[1])
	}
	return two, alone, nil
}

// Proceed is a person's word, for a service of the style [Pair] that does not go on since the other server is
// silent: that one is gone, and this one goes on alone with the state that it has. What the other has answered alone
// is lost; if it lives and was told the same, one of the two is overruled later, and its Logger told what is lost.
func (s *Service) Proceed() error {
	if err := s.replica.Proceed(); err != nil {
		return failure("proceed", s.name, err)
	}
	return nil
}

// Checkpoint has the state saved now, for a service of the style [Checkpointed]; it is saved every ten seconds anyway. At the
// server that does not serve it does nothing.
func (s *Service) Checkpoint() error {
	if err := s.replica.Checkpoint(); err != nil {
		return failure("checkpoint", s.name, err)
	}
	return nil
}

// tellTwo logs what one of two servers says of itself; false if it is something else.
func (n *Node) tellTwo(service string, c *replica.Command) bool {
	log := n.cfg.Logger.With("service", service, "epoch", uint64(c.Epoch), "command", c.Index)
	switch c.Verb {
	case replica.Founded:
		log.Info("the service begins, without a state")
	case replica.Alone:
		log.Warn("this server goes on alone")
	case replica.Paired:
		log.Info("both servers have the state")
	case replica.Stopped:
		log.Error("the other server is not heard, and this one must not go on alone: requests are refused until the other is heard, or somebody says that this one may proceed")
	case replica.Resumed:
		log.Warn("this server serves, from what is in the store")
	case replica.Fenced:
		log.Warn("the other server has claimed the store: this one does not serve any more")
	case replica.Resigned:
		log.Error("the store fails, or does not answer: this server does not use it any more until it is restarted", "error", c.Err)
	case replica.Lost:
		log = log.With("last", c.Last, "request", fmt.Sprintf("%q", c.Request))
		if c.Answered != 0 {
			log.Error("the other server has gone on, and this one gives its state up: commands that clients were answered are lost", "answered_from", c.Answered)
		} else {
			log.Warn("the other server has gone on, and this one gives its state up: what is lost was answered to nobody")
		}
	case replica.Halted:
		if c.Err == nil {
			return false
		}
		log.Error("the service has stopped here: restart this process when it is mended", "error", c.Err)
	default:
		return false
	}
	return true
}

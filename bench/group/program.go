package group

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Use says what a setting of a program is measured for. Settings that are best for one
// may be useless for another.
type Use uint8

// The uses.
const (
	Throughput Use = 1 << iota
	Latency
	View
)

// Program is one way to multicast, with its settings.
type Program struct {
	Name    string // "Corosync"
	Setting string // "knet, defaults"
	Version string // of what was built, as it tells it
	Uses    Use
	// OneSender: only the member that leads can multicast.
	OneSender bool
	// Detection is the time after which the program takes a member for dead, 0 where it
	// does not wait for silence or has no such setting.
	Detection time.Duration

	sequential bool          // each member must have its view before the next is started
	warm       time.Duration // flat out before anything is measured: compilers at run time
	sources    *Sources
	start      func(c *Cluster, s *starting) error
}

// String gives "Corosync: knet, defaults".
func (p *Program) String() string { return p.Name + ": " + p.Setting }

// starting is what the start of one member needs to know.
type starting struct {
	*Program
	bed    *Bed
	node   *Node
	folder string
}

// addresses gives those of all machines, with a port, and commas between.
func (s *starting) addresses(port int) string {
	var all []string
	for _, n := range s.bed.Nodes {
		all = append(all, fmt.Sprintf("%s:%d", n.Address, port))
	}
	return strings.Join(all, ",")
}

// member starts the member's process and enters it.
func (s *starting) member(c *Cluster, name string, args ...string) error {
	m, err := launchMember(s.node, s.folder, name, args...)
	if err == nil {
		c.members = append(c.members, m)
	}
	return err
}

// Sources is where the members' programs come from, and where they go to.
type Sources struct {
	root   string // this package's folder
	folder string // for what is built
}

// Find finds the sources by way of the Go tool, from the tree that the working directory
// is in. What is built goes to the folder.
func Find(ctx context.Context, folder string) (*Sources, error) {
	command := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/holdfast-ha/holdfast/bench/group")
	out, err := command.Output()
	if err != nil {
		return nil, &OpError{"find the sources of bench/group", err}
	}
	return &Sources{strings.TrimSpace(string(out)), folder}, nil
}

func (s *Sources) built(name string) string { return filepath.Join(s.folder, name) }

// compile runs a compiler.
func compile(ctx context.Context, folder, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, buildMost)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	if out, err := command.CombinedOutput(); err != nil {
		return &OpError{fmt.Sprintf("%s %s", name, strings.Join(args, " ")), fmt.Errorf("%w\n%s", err, out)}
	}
	return nil
}

// answer is the last word of the first line that a program writes, "of unknown version"
// if it writes none.
func answer(ctx context.Context, folder, name string, args ...string) string {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	out, err := command.CombinedOutput()
	first, _, _ := strings.Cut(string(out), "\n")
	fields := strings.Fields(first)
	if err != nil || len(fields) == 0 {
		return "of unknown version"
	}
	return strings.Trim(fields[len(fields)-1], "'\"")
}

// peer is one program of others, or ours: what it needs, and how its member is built.
type peer struct {
	name     string
	needs    []need
	build    func(ctx context.Context, s *Sources) error
	version  func(ctx context.Context, s *Sources) string
	settings []Program
}

// need is a file or program of a Debian package.
type need struct{ what, pkg string }

// there says whether a program is found or a file exists.
func (n need) there() bool {
	if filepath.IsAbs(n.what) {
		_, err := os.Stat(n.what)
		return err == nil
	}
	_, err := exec.LookPath(n.what)
	return err == nil
}

func peers() []peer { return []peer{holdfast(), corosync(), jgroups(), nats(), raft()} }

// Names are those of all programs, in small letters, ours first.
func Names() (names []string) {
	for _, p := range peers() {
		names = append(names, strings.ToLower(p.name))
	}
	return names
}

// Require says what is missing to measure programs, nil for nothing.
func Require(names []string) error {
	var missing []string
	for _, p := range peers() {
		for _, n := range p.needs {
			if slices.Contains(names, strings.ToLower(p.name)) && !n.there() && !slices.Contains(missing, n.pkg) {
				missing = append(missing, n.pkg)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("to compare with others it needs: apt-get install %s (or choose others with --peers)", strings.Join(missing, " "))
}

// Build builds the members of programs and gives all settings of them, in the order in
// which they are to be measured.
func (s *Sources) Build(ctx context.Context, names []string) ([]*Program, error) {
	var all []*Program
	for _, p := range peers() {
		if !slices.Contains(names, strings.ToLower(p.name)) {
			continue
		}
		if err := p.build(ctx, s); err != nil {
			return nil, err
		}
		version := p.version(ctx, s)
		for _, setting := range p.settings {
			setting.Name, setting.sources, setting.Version = p.name, s, version
			all = append(all, &setting)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no program is to be measured; there are " + strings.Join(Names(), ", "))
	}
	return all, nil
}

// middle is some figures of which the median is wanted.
type middle []float64

func (m middle) median() float64 {
	slices.Sort(m)
	return m[len(m)/2]
}

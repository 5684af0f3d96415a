package locks

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

// Durability is what a program's acknowledgements survive.
type Durability string

// The durabilities.
const (
	Memory Durability = "memory" // the death of less than half of the members
	Log    Durability = "log"    // that of all, by a loss of power: what is acknowledged is on the disk
)

// Program is a lock service with one of its settings.
type Program struct {
	Name       string // "etcd"
	Setting    string // "--unsafe-no-fsync"
	Version    string // as it tells it
	Durability Durability
	// Takeover: it is worth measuring how long clients wait for a new leader; where it
	// depends on a timer that settings share, one of them is enough.
	Takeover bool
	// Spread: its client speaks with all members it is given, so that there is no difference
	// between being at the member that is killed and at another.
	Spread bool

	sources *Sources
	client  string // the contenders' program
	// member gives the command of one member.
	member func(m *member) (name string, args []string, err error)
	// leader says which member leads, from 1.
	leader func(ctx context.Context, c *Cluster) (int, error)
	// try is given to the contenders in a takeover: part of the detection time.
	try int
}

// String gives "etcd: --unsafe-no-fsync".
func (p *Program) String() string { return p.Name + ": " + p.Setting }

// Sources is where programs come from, and where they go to.
type Sources struct {
	root     string // this package's folder
	folder   string // for what is built
	holdfast string // the program
	etcd     []string
}

// Find finds the sources by way of the Go tool, from the tree that the working directory is in.
// What is built goes to the folder. holdfast is our program, etcd are the files of the etcd
// servers to be measured; none: the one in the path.
func Find(ctx context.Context, folder, holdfast string, etcd []string) (*Sources, error) {
	command := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/holdfast-ha/holdfast/bench/locks")
	out, err := command.Output()
	if err != nil {
		return nil, &OpError{"find the sources of bench/locks", err}
	}
	return &Sources{strings.TrimSpace(string(out)), folder, holdfast, etcd}, nil
}

func (s *Sources) built(name string) string { return filepath.Join(s.folder, name) }

// compile builds a Go program from a folder.
func (s *Sources) compile(ctx context.Context, folder, pkg, name string) error {
	ctx, cancel := context.WithTimeout(ctx, buildMost)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "build", "-o", s.built(name), pkg)
	command.Dir = filepath.Join(s.root, folder)
	if out, err := command.CombinedOutput(); err != nil {
		return &OpError{"build " + name, fmt.Errorf("%w\n%s", err, out)}
	}
	return nil
}

// Names are those of all programs, in small letters, ours first.
func Names() []string { return []string{"holdfast", "etcd"} }

// Require says what is missing to measure programs, nil for nothing.
func Require(names, etcd []string) error {
	if !slices.Contains(names, "etcd") {
		return nil
	}
	for _, file := range etcd {
		if _, err := exec.LookPath(file); err != nil {
			return fmt.Errorf("there is no etcd server at %s: %w", file, err)
		}
	}
	if _, err := exec.LookPath("etcd"); err != nil && len(etcd) == 0 {
		return errors.New("to compare with others it needs: apt-get install etcd-server (or --etcd FILE, or choose others with --peers)")
	}
	return nil
}

// Build builds what programs need and gives all settings of them, in the order in which they are
// to be measured.
func (s *Sources) Build(ctx context.Context, names []string) (all []*Program, err error) {
	if slices.Contains(names, "holdfast") {
		programs, err := s.holdfastPrograms(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, programs...)
	}
	if slices.Contains(names, "etcd") {
		programs, err := s.etcdPrograms(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, programs...)
	}
	if len(all) == 0 {
		return nil, errors.New("no program is to be measured; there are " + strings.Join(Names(), ", "))
	}
	return all, nil
}

// member is what the start of one member needs to know.
type member struct {
	*Program
	number    int // from 1
	addresses []string
	folder    string        // its own
	detection time.Duration // 0: the program's default
}

func (m *member) name() string { return nameOf(m.number) }

func (m *member) address() string { return m.addresses[m.number-1] }

func nameOf(number int) string { return fmt.Sprintf("n%d", number) }

// write puts a file into the member's folder.
func (m *member) write(name, text string) (path string, err error) {
	path = filepath.Join(m.folder, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

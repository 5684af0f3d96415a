package locks

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/holdfast-ha/holdfast/internal/control"
)

const (
	holdfastPort  = 7400
	holdfastGroup = "locks"
	socketFile    = "locks.sock"
	controlFile   = "control.sock"
	keyFile       = "bench.key"
	dataFolder    = "data"
)

// holdfastPrograms are ours: `holdfast run` with a configuration that is all defaults, so its messages are
// sealed, which etcd's are not. Clients come in at a member's Unix socket.
func (s *Sources) holdfastPrograms(ctx context.Context) ([]*Program, error) {
	if err := s.compile(ctx, ".", "./holdfast", "holdfast-contenders"); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, s.holdfast, "key", "new", s.built(keyFile)).CombinedOutput()
	if err != nil {
		return nil, &OpError{"make a key", fmt.Errorf("%w\n%s", err, out)}
	}
	return []*Program{s.holdfastProgram(Memory, "in memory"), s.holdfastProgram(Log, "log on the disk")}, nil
}

// holdfastProgram is ours with one durability.
func (s *Sources) holdfastProgram(d Durability, setting string) *Program {
	return &Program{
		Name: "Holdfast", Setting: setting, Version: "of this source tree", Durability: d, Takeover: true,
		sources: s, client: s.built("holdfast-contenders"), leader: holdfastLeader,
		member: func(m *member) (string, []string, error) {
			path, err := m.write("holdfast.hcl", m.holdfastConfig())
			return s.holdfast, []string{"run", "-c", path}, err
		},
	}
}

func (m *member) holdfastConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, "node = %q\n\ncluster \"bench\" {\n  key_file = %q\n  port = %d\n", m.name(), m.sources.built(keyFile), holdfastPort)
	if m.detection > 0 {
		fmt.Fprintf(&b, "  suspect_after = %q\n", m.detection)
	}
	for i, address := range m.addresses {
		fmt.Fprintf(&b, "  member %q {\n    link \"lan\" {\n      address = %q\n    }\n  }\n", nameOf(i+1), address)
	}
	fmt.Fprintf(&b, "}\n\ngroup %q {\n  locks {\n    socket = %q\n", holdfastGroup, filepath.Join(m.folder, socketFile))
	if m.Durability == Log {
		fmt.Fprintf(&b, "    data = %q\n", filepath.Join(m.folder, dataFolder))
	}
	fmt.Fprintf(&b, "  }\n}\n\ncontrol {\n  socket = %q\n}\n", filepath.Join(m.folder, controlFile))
	return b.String()
}

// holdfastLeader asks a member's control socket: the most senior member puts commands in order, as long as
// no other sends most of them.
func holdfastLeader(ctx context.Context, c *Cluster) (int, error) {
	client, err := control.Dial(filepath.Join(c.folders[0], controlFile))
	if err != nil {
		return 0, err
	}
	status, err := client.Groups(ctx)
	if err != nil {
		return 0, err
	}
	for _, g := range status.Groups {
		if g.Name == holdfastGroup && len(g.Seats) > 0 {
			for number := range c.members {
				if nameOf(number+1) == g.Seats[0].Name {
					return number + 1, nil
				}
			}
		}
	}
	return 0, errors.New("the group has no view")
}

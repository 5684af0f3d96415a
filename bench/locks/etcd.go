package locks

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	etcdPeerPort   = 2380
	etcdClientPort = 2379

	// beatPart of the election timeout is the interval of heartbeats: the default and what
	// etcd's guide to tuning asks for, since an election may follow the loss of a few.
	beatPart = 10

	// tryPart of the election timeout is how long one attempt of a contender may take when
	// the leader dies: with attempts as long as the timeout the pause was twice as long.
	tryPart = 5

	// memoryFolder is on a file system that has no disk, for a server that cannot leave
	// out waiting for one.
	memoryFolder = "/dev/shm"
)

// etcdPrograms are the etcd servers that were named, or the one in the path, each with its log on the disk
// and without waiting for it. No TLS, and all else the server's defaults, which suit a
// network as short as this one; logging only what is wrong.
func (s *Sources) etcdPrograms(ctx context.Context) (all []*Program, err error) {
	if err := s.compile(ctx, filepath.Join("..", "peers"), "./etcd", "etcd-contenders"); err != nil {
		return nil, err
	}
	files := s.etcd
	if len(files) == 0 {
		files = []string{"etcd"}
	}
	for _, file := range files {
		help, err := exec.CommandContext(ctx, file, "--help").CombinedOutput()
		if err != nil {
			return nil, &OpError{"ask " + file + " for its help", fmt.Errorf("%w\n%s", err, help)}
		}
		version, err := exec.CommandContext(ctx, file, "--version").Output()
		if err != nil {
			return nil, &OpError{"ask " + file + " for its version", err}
		}
		all = append(all, s.etcdProgram(file, etcdVersion(version), Log, "log on the disk"))
		if bytes.Contains(help, []byte("--unsafe-no-fsync")) {
			all = append(all, s.etcdProgram(file, etcdVersion(version), Memory, "--unsafe-no-fsync", "--unsafe-no-fsync"))
		} else {
			all = append(all, s.etcdProgram(file, etcdVersion(version), Memory, "log on a tmpfs"))
		}
	}
	return all, nil
}

// etcdVersion gives "3.4.23" of "etcd Version: 3.4.23\nGit SHA: ...".
func etcdVersion(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	_, version, found := strings.Cut(line, ": ")
	if !found {
		return "of unknown version"
	}
	return strings.TrimSpace(version)
}

func (s *Sources) etcdProgram(file, version string, d Durability, setting string, more ...string) *Program {
	return &Program{
		Name: "etcd " + version, Setting: setting, Version: version, Durability: d, Takeover: d == Log, Spread: true,
		sources: s, client: s.built("etcd-contenders"), try: tryPart,
		leader: func(ctx context.Context, c *Cluster) (int, error) {
			out, err := c.ask(ctx, "-leader", "-servers", strings.Join(c.servers, ","))
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(strings.TrimSpace(out))
		},
		member: func(m *member) (string, []string, error) {
			data := filepath.Join(m.folder, "data")
			if d == Memory && len(more) == 0 {
				var err error
				if data, err = os.MkdirTemp(memoryFolder, "holdfast-bench-"); err != nil {
					return "", nil, err
				}
				if err := os.Symlink(data, filepath.Join(m.folder, dataLink)); err != nil {
					return "", nil, err
				}
			}
			return file, append(m.etcdFlags(data), more...), nil
		},
	}
}

// dataLink in a member's folder leads to data elsewhere, which is removed with the cluster.
const dataLink = "elsewhere"

func (m *member) etcdFlags(data string) []string {
	at := func(address string, port int) string { return fmt.Sprintf("http://%s:%d", address, port) }
	var all []string
	for i, address := range m.addresses {
		all = append(all, nameOf(i+1)+"="+at(address, etcdPeerPort))
	}
	flags := []string{
		"--name", m.name(), "--data-dir", data, "--log-level", "error", "--logger", "zap",
		"--initial-cluster", strings.Join(all, ","), "--initial-cluster-state", "new",
		"--listen-peer-urls", at(m.address(), etcdPeerPort), "--initial-advertise-peer-urls", at(m.address(), etcdPeerPort),
		"--listen-client-urls", at(m.address(), etcdClientPort), "--advertise-client-urls", at(m.address(), etcdClientPort),
	}
	if m.detection > 0 {
		milliseconds := func(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
		flags = append(flags, "--election-timeout", milliseconds(m.detection), "--heartbeat-interval", milliseconds(m.detection/beatPart))
	}
	return flags
}

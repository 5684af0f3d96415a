package pair

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab"
)

// Keepalived is keepalived with conntrackd on both nodes, joined by the script that
// conntrackd brings for it.
type Keepalived struct {
	*Conntrackd
	bed    *lab.Lab
	folder string
	fast   bool
	runs   map[string]*process
}

// KeepalivedConfig says how the pair is to run.
type KeepalivedConfig struct {
	Folder string // for files; an empty one
	// Fast has keepalived say that it lives every 10 ms, the least there is, which needs
	// VRRPv3; otherwise its defaults hold: VRRPv2 and a second.
	Fast bool
}

// logLines is more than keepalived writes in a round.
const logLines = 100_000

// script is where Debian's package puts the script.
const script = "/usr/share/doc/conntrackd/examples/sync/primary-backup.sh"

// StartKeepalived starts both nodes and returns when FW1 has the addresses.
func StartKeepalived(ctx context.Context, bed *lab.Lab, c KeepalivedConfig) (*Keepalived, error) {
	d, err := StartConntrackd(ctx, bed, ConntrackdConfig{Folder: c.Folder})
	if err != nil {
		return nil, err
	}
	k := &Keepalived{Conntrackd: d, bed: bed, folder: c.Folder, fast: c.Fast, runs: map[string]*process{}}
	if err := k.start(ctx); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

func (k *Keepalived) start(ctx context.Context) error {
	for _, node := range []string{Active, Standby} {
		if err := k.write(node); err != nil {
			return &OpError{"configure keepalived on " + node, err}
		}
		path := func(name string) string { return filepath.Join(k.folder, node+"."+name) }
		run, err := launch(k.bed.Node(node), k.folder, "keepalived", "--dont-fork", "--log-console", "--vrrp",
			"--use-file", path("keepalived.conf"), "--pid", path("pid"), "--vrrp_pid", path("vrrp.pid"))
		if err != nil {
			return &OpError{"start keepalived on " + node, err}
		}
		k.runs[node] = run
		if node == Active {
			if err := k.AwaitAddresses(ctx, Active); err != nil {
				return err
			}
		}
	}
	// Until the standby has heard the active, and the scripts are done.
	return await(ctx, "keepalived on fw2 is the backup", func() (bool, string) {
		text := k.runs[Standby].lastLines(logLines)
		return strings.Contains(text, "Entering BACKUP STATE"), k.runs[Standby].lastLines(2)
	})
}

// write writes the configuration of a node, and the script with this test bed's paths.
func (k *Keepalived) write(node string) error {
	text, err := os.ReadFile(script)
	if err != nil {
		return fmt.Errorf("the script of Debian's package conntrackd: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		switch name, _, _ := strings.Cut(line, "="); name {
		case "CONNTRACKD_LOCK":
			lines[i] = name + "=" + filepath.Join(k.folder, node+".lock")
		case "CONNTRACKD_CONFIG":
			lines[i] = name + "=" + k.Conntrackd.file(node)
		}
	}
	program := filepath.Join(k.folder, node+".sh")
	if err := os.WriteFile(program, []byte(strings.Join(lines, "\n")), 0o700); err != nil {
		return err
	}
	priority := 150
	if node == Standby {
		priority = 100
	}
	version, interval := 2, "1"
	if k.fast {
		version, interval = 3, "0.01"
	}
	var instances strings.Builder
	for i, name := range []string{lab.LAN, lab.WAN} {
		var four, six string
		for _, v := range virtualAddresses(k.bed) {
			switch {
			case v.name != name:
			case netip.MustParsePrefix(v.address).Addr().Is4():
				four = v.address
			default:
				six = v.address
			}
		}
		fmt.Fprintf(&instances, keepalivedInstance, name, name, 51+i, priority, interval, four, six)
	}
	return os.WriteFile(filepath.Join(k.folder, node+".keepalived.conf"),
		fmt.Appendf(nil, keepalivedText, node, version, lab.LAN, lab.WAN, program, program, program, instances.String()), 0o600)
}

const keepalivedText = `global_defs {
	router_id %s
	vrrp_version %d
	script_user root
	enable_script_security
}
vrrp_sync_group both {
	group {
		%s
		%s
	}
	notify_master "%s primary"
	notify_backup "%s backup"
	notify_fault "%s fault"
}
%s`

// IPv6 addresses cannot be told in IPv4 messages, but move with them.
const keepalivedInstance = `vrrp_instance %s {
	interface %s
	state BACKUP
	nopreempt
	virtual_router_id %d
	priority %d
	advert_int %s
	virtual_ipaddress {
		%s
	}
	virtual_ipaddress_excluded {
		%s
	}
}
`

// AwaitAddresses waits until a node has the virtual addresses.
func (k *Keepalived) AwaitAddresses(ctx context.Context, node string) error {
	return await(ctx, "keepalived on "+node+" has the addresses", func() (bool, string) {
		var found []string
		err := k.bed.Node(node).Do(func() error {
			all, err := net.InterfaceAddrs()
			for _, a := range all {
				found = append(found, a.String())
			}
			return err
		})
		if err != nil {
			return false, err.Error()
		}
		text := strings.Join(found, " ")
		for _, v := range virtualAddresses(k.bed) {
			if !strings.Contains(text, v.address) {
				return false, text + "; " + k.runs[node].lastLines(2)
			}
		}
		return true, ""
	})
}

// Name is "keepalived + conntrackd".
func (k *Keepalived) Name() string { return "keepalived + conntrackd" }

// Switch stops keepalived on FW1 cleanly, which is how a takeover is planned with it.
func (k *Keepalived) Switch(context.Context) (time.Duration, error) {
	began := time.Now()
	err := k.runs[Active].command.Process.Signal(syscall.SIGTERM)
	return time.Since(began), err
}

// Undisturbed looks for a promotion in the log of FW2.
func (k *Keepalived) Undisturbed() error {
	for line := range strings.Lines(k.runs[Standby].lastLines(logLines)) {
		if strings.Contains(line, "Entering MASTER STATE") {
			return &Disturbance{k.Name(), strings.TrimSpace(line)}
		}
	}
	return nil
}

// Kill ends both programs and all that they started on a node by SIGKILL.
func (k *Keepalived) Kill(node string) error {
	k.runs[node].KillTree()
	return k.Conntrackd.Kill(node)
}

// Close kills all.
func (k *Keepalived) Close() error {
	for _, r := range k.runs {
		r.KillTree()
	}
	return k.Conntrackd.Close()
}

package pair

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/holdfast-ha/holdfast/bench/usage"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// Conntrackd is a pair of conntrackd processes in the mode FTFW, its reliable protocol
// and its default.
type Conntrackd struct {
	bed    *lab.Lab
	config ConntrackdConfig
	runs   map[string]*process
}

// ConntrackdConfig says how the pair is to run.
type ConntrackdConfig struct {
	Folder string // for files; an empty one
	// Direct has the standby put each state into its kernel when it is told
	// (DisableExternalCache). The default of conntrackd is to hold them in memory.
	Direct bool
	// Addresses gives FW1 the virtual addresses. Not where keepalived does.
	Addresses bool
}

// StartConntrackd starts both nodes and returns when they answer.
func StartConntrackd(ctx context.Context, bed *lab.Lab, c ConntrackdConfig) (*Conntrackd, error) {
	d := &Conntrackd{bed: bed, config: c, runs: map[string]*process{}}
	err := d.start(ctx)
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Conntrackd) start(ctx context.Context) error {
	if d.config.Addresses {
		if err := hold(d.bed, Active); err != nil {
			return err
		}
	}
	for _, node := range []string{Active, Standby} {
		if err := os.WriteFile(d.file(node), []byte(d.text(node)), 0o600); err != nil {
			return err
		}
		run, err := launch(d.bed.Node(node), d.config.Folder, "conntrackd", "-C", d.file(node))
		if err != nil {
			return &OpError{"start conntrackd on " + node, err}
		}
		d.runs[node] = run
		if err := await(ctx, "conntrackd answers on "+node, func() (bool, string) {
			out, err := d.Ask(ctx, node, "-s")
			if err != nil {
				return false, fmt.Sprintf("%v: %s; %s", err, out, run.lastLines(3))
			}
			return true, ""
		}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Conntrackd) file(node string) string {
	return filepath.Join(d.config.Folder, "conntrackd-"+node+".conf")
}

// text is the configuration of a node. It is Debian's example for FTFW with these
// changes, each to conntrackd's advantage or for the test bed: unicast, for two nodes;
// hash and limits large enough for every number of flows that is measured; the filter in
// the kernel, where the manual says it costs less; UDP and ICMP replicated too, as
// Holdfast does; no log.
func (d *Conntrackd) text(node string) string {
	direct := "no"
	if d.config.Direct {
		direct = "yes"
	}
	local, remote := lab.FW1, lab.FW2
	if node == lab.FW2 {
		local, remote = remote, local
	}
	var ignored4, ignored6 strings.Builder
	for _, firewall := range []string{lab.FW1, lab.FW2} {
		for _, name := range d.bed.Node(firewall).Interfaces() {
			for _, prefix := range d.bed.Node(firewall).Addresses(name) {
				if a := netip.MustParsePrefix(prefix).Addr(); a.Is4() {
					fmt.Fprintf(&ignored4, "\t\t\tIPv4_address %s\n", a)
				} else {
					fmt.Fprintf(&ignored6, "\t\t\tIPv6_address %s\n", a)
				}
			}
		}
	}
	return fmt.Sprintf(conntrackdText, direct,
		ownAddress(d.bed, local, lab.Sync), ownAddress(d.bed, remote, lab.Sync), lab.Sync,
		filepath.Join(d.config.Folder, node+".lock"), d.socket(node), ignored4.String(), ignored6.String())
}

func (d *Conntrackd) socket(node string) string { return filepath.Join(d.config.Folder, node+".ctl") }

const conntrackdText = `Sync {
	Mode FTFW {
		DisableExternalCache %s
	}
	UDP {
		IPv4_address %s
		IPv4_Destination_Address %s
		Port 3780
		Interface %s
		SndSocketBuffer 8388608
		RcvSocketBuffer 8388608
		Checksum on
	}
}
General {
	HashSize 131072
	HashLimit 524288
	LogFile no
	Syslog no
	LockFile %s
	UNIX {
		Path %s
	}
	NetlinkBufferSize 8388608
	NetlinkBufferSizeMaxGrowth 67108864
	Filter From Kernelspace {
		Protocol Accept {
			TCP
			UDP
			SCTP
			ICMP
			IPv6-ICMP
		}
		Address Ignore {
			IPv4_address 127.0.0.1
			IPv6_address ::1
%s%s		}
	}
}
`

// Ask runs a command of conntrackd's own client on a node, such as "-s", and gives what
// it wrote.
func (d *Conntrackd) Ask(_ context.Context, node string, args ...string) (string, error) {
	out, err := d.bed.Node(node).Command("conntrackd", append([]string{"-C", d.file(node)}, args...)...).CombinedOutput()
	return string(out), err
}

// Name is "conntrackd".
func (d *Conntrackd) Name() string { return "conntrackd" }

// Held counts the states of FW1 on FW2: in the external cache or, without one, in the
// kernel's table.
func (d *Conntrackd) Held(ctx context.Context) (int, error) {
	if d.config.Direct {
		return Tracked(d.bed.Node(Standby))
	}
	return d.statistic(ctx, Standby, "cache external", "current active connections")
}

// Told counts what the standby was told: states created, changed and destroyed. It is
// not known without an external cache.
func (d *Conntrackd) Told(ctx context.Context) (int, error) {
	if d.config.Direct {
		return 0, nil
	}
	told := 0
	for _, name := range []string{"connections created", "connections updated", "connections destroyed"} {
		n, err := d.statistic(ctx, Standby, "cache external", name)
		if err != nil {
			return 0, err
		}
		told += n
	}
	return told, nil
}

// statistic reads one figure of `conntrackd -s`.
func (d *Conntrackd) statistic(ctx context.Context, node, section, name string) (int, error) {
	out, err := d.Ask(ctx, node, "-s")
	if err != nil {
		return 0, &OpError{"ask conntrackd on " + node, fmt.Errorf("%w: %s", err, strings.TrimSpace(out))}
	}
	value, ok := figureIn(out, section, name)
	if !ok {
		return 0, &OpError{"ask conntrackd on " + node, fmt.Errorf("its statistics have no %q under %q:\n%s", name, section, out)}
	}
	return value, nil
}

// figureIn finds a figure in the statistics: the first number of the line with the name,
// below the line that begins with the section.
func figureIn(text, section, name string) (int, bool) {
	inside := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, section) {
			inside = true
			continue
		}
		_, rest, found := strings.Cut(line, name+":")
		if !inside || !found {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return 0, false
		}
		n, err := strconv.Atoi(fields[0])
		return n, err == nil
	}
	return 0, false
}

// Bulk has FW1 read its kernel's table and tell FW2 all of it.
func (d *Conntrackd) Bulk(ctx context.Context) error {
	for _, order := range []string{"-R", "-B"} {
		if out, err := d.Ask(ctx, Active, order); err != nil {
			return &OpError{"conntrackd " + order, fmt.Errorf("%w: %s", err, strings.TrimSpace(out))}
		}
	}
	return nil
}

// Use is what the process on a node has used.
func (d *Conntrackd) Use(node string) (usage.Use, error) {
	return usage.Of(d.runs[node].command.Process.Pid)
}

// Kill ends the process on a node by SIGKILL.
func (d *Conntrackd) Kill(node string) error {
	d.runs[node].KillTree()
	return nil
}

// Undisturbed is always nil: conntrackd alone takes nothing over.
func (d *Conntrackd) Undisturbed() error { return nil }

// Fault is nothing that the program tells by itself.
func (d *Conntrackd) Fault(context.Context) string { return "" }

// Close kills both.
func (d *Conntrackd) Close() error {
	for _, r := range d.runs {
		r.Kill()
	}
	return nil
}

package pair

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/bench/usage"
	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// Inject says when a standby of Holdfast puts the states into its kernel.
type Inject string

// The two ways, as they are written in the configuration.
const (
	Continuous Inject = "continuous" // at once; the default
	AtTakeover Inject = "takeover"
)

// Holdfast is a pair of `holdfast run` processes. Their files are those that
// `holdfast init` writes: the default settings, links sealed with a key.
type Holdfast struct {
	bed     *lab.Lab
	folder  string
	binary  string
	links   []config.PairLink
	inject  Inject
	runs    map[string]*process
	clients map[string]*control.Client
}

// HoldfastConfig says how the pair is to run.
type HoldfastConfig struct {
	Folder string // an empty one, for files
	Binary string // the program; see [Build]
	Inject Inject
	Links  []string // interfaces over which the nodes speak: lab.Sync, lab.LAN, lab.WAN
}

// Build makes the program that users run, from the source tree that the working
// directory is in.
func Build(ctx context.Context, folder string) (binary string, err error) {
	binary = filepath.Join(folder, "holdfast")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/holdfast-ha/holdfast/cmd/holdfast").CombinedOutput()
	if err != nil {
		return "", &OpError{"build holdfast", fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))}
	}
	return binary, nil
}

// StartHoldfast starts both nodes, FW1 first, and returns when FW1 is active and FW2
// would take over with every state.
func StartHoldfast(ctx context.Context, bed *lab.Lab, c HoldfastConfig) (*Holdfast, error) {
	h := &Holdfast{
		bed: bed, folder: c.Folder, binary: c.Binary, inject: c.Inject,
		runs: map[string]*process{}, clients: map[string]*control.Client{},
	}
	for _, name := range c.Links {
		h.links = append(h.links, config.PairLink{
			Label: name, Ends: [2]string{ownAddress(bed, lab.FW1, name), ownAddress(bed, lab.FW2, name)},
		})
	}
	err := h.write()
	if err == nil {
		err = h.start(ctx)
	}
	if err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// ownAddress is the IPv4 address that a firewall keeps, without prefix length.
func ownAddress(bed *lab.Lab, node, name string) string {
	return netip.MustParsePrefix(bed.Node(node).Addresses(name)[0]).Addr().String()
}

// write writes configuration and key.
func (h *Holdfast) write() error {
	p := config.Pair{
		Cluster: "bench", Nodes: [2]string{lab.FW1, lab.FW2}, Links: h.links,
		KeyFile: filepath.Join(h.folder, "bench.key"),
	}
	for _, v := range virtualAddresses(h.bed) {
		p.Addresses = append(p.Addresses, config.PairAddress{Prefix: v.address, Interface: v.name})
	}
	files, err := p.Write(h.folder)
	if err != nil {
		return &OpError{"write the configuration of holdfast", err}
	}
	for i, node := range p.Nodes {
		text, err := os.ReadFile(files[i])
		if err != nil {
			return err
		}
		changed := strings.Replace(string(text), `inject = "continuous"`, fmt.Sprintf("inject = %q", h.inject), 1) +
			fmt.Sprintf("\ncontrol { socket = %q }\nlog { format = \"json\" }\n", h.socket(node))
		if err := os.WriteFile(files[i], []byte(changed), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (h *Holdfast) socket(node string) string { return filepath.Join(h.folder, node+".sock") }

func (h *Holdfast) start(ctx context.Context) error {
	if err := h.Run(ctx, lab.FW1); err != nil {
		return err
	}
	if err := h.AwaitActive(ctx, lab.FW1); err != nil {
		return err
	}
	if err := h.Run(ctx, lab.FW2); err != nil {
		return err
	}
	return h.AwaitProtected(ctx)
}

// Run starts the program on one node and waits until it answers.
func (h *Holdfast) Run(ctx context.Context, node string) error {
	run, err := launch(h.bed.Node(node), h.folder, h.binary, "run", "-c", filepath.Join(h.folder, node+".hcl"))
	if err != nil {
		return &OpError{"start holdfast on " + node, err}
	}
	h.runs[node] = run
	ended := make(chan error, 1)
	go func() { ended <- run.command.Wait() }() // ends with the process, at Close at the latest
	return await(ctx, "holdfast answers on "+node, func() (bool, string) {
		select {
		case err := <-ended:
			ended <- err
			return false, fmt.Sprintf("it has ended (%v): %s", err, run.lastLines(3))
		default:
		}
		client, err := control.Dial(h.socket(node))
		if err != nil {
			return false, err.Error()
		}
		h.clients[node] = client
		return true, ""
	})
}

// AwaitProtected waits until the failure of FW1 would lose nothing.
func (h *Holdfast) AwaitProtected(ctx context.Context) error {
	return h.awaitStatus(ctx, lab.FW1, "the pair is protected", func(st *control.Status) bool {
		return st.Verdict == control.Protected
	})
}

func (h *Holdfast) awaitStatus(ctx context.Context, node, what string, good func(*control.Status) bool) error {
	return await(ctx, what, func() (bool, string) {
		st, err := h.Status(ctx, node)
		if err != nil {
			return false, fmt.Sprintf("%v; %s", err, h.runs[node].lastLines(2))
		}
		return good(&st), fmt.Sprintf("%s, %s: %s", st.Role, st.Verdict, strings.Join(st.Why, "; "))
	})
}

// Status asks one node.
func (h *Holdfast) Status(ctx context.Context, node string) (control.Status, error) {
	client := h.clients[node]
	if client == nil {
		return control.Status{}, errors.New("holdfast was not started on " + node)
	}
	return client.Status(ctx)
}

// Name is "Holdfast".
func (h *Holdfast) Name() string { return "Holdfast" }

// Held counts the states of FW1 on FW2.
func (h *Holdfast) Held(ctx context.Context) (int, error) {
	st, err := h.Status(ctx, Standby)
	return st.Flows.Held, err
}

// Told counts what the standby was told, as far as it put that into its kernel.
func (h *Holdfast) Told(ctx context.Context) (int, error) {
	st, err := h.Status(ctx, Standby)
	return int(st.Counters.Injections), err
}

// Use is what the process on a node has used.
func (h *Holdfast) Use(node string) (usage.Use, error) {
	return usage.Of(h.runs[node].command.Process.Pid)
}

// PID is the process on a node.
func (h *Holdfast) PID(node string) int { return h.runs[node].command.Process.Pid }

// Kill ends the process on a node by SIGKILL.
func (h *Holdfast) Kill(node string) error { return h.runs[node].command.Process.Kill() }

// Switch hands over from FW1 to FW2, as `holdfast switch` does.
func (h *Holdfast) Switch(ctx context.Context) (took time.Duration, err error) {
	r, err := h.clients[lab.FW1].Switch(ctx, "")
	return r.TookMS.Duration(), err
}

// Fault tells overruns and injections that failed.
func (h *Holdfast) Fault(ctx context.Context) string {
	var faults []string
	for _, node := range []string{Active, Standby} {
		st, err := h.Status(ctx, node)
		if err != nil {
			continue // a benchmark may have killed it
		}
		if st.Counters.Overruns > 0 {
			faults = append(faults, fmt.Sprintf("%s: the kernel lost events %d times", node, st.Counters.Overruns))
		}
		for why, n := range st.Counters.InjectionErrors {
			faults = append(faults, fmt.Sprintf("%s: %d injections failed: %s", node, n, why))
		}
		if st.Flows.NotReplicated > 0 {
			faults = append(faults, fmt.Sprintf("%s: %d flows not replicated", node, st.Flows.NotReplicated))
		}
	}
	return strings.Join(faults, "; ")
}

// Undisturbed looks for a promotion in the log of FW2.
func (h *Holdfast) Undisturbed() error {
	if at, err := h.Logged(Standby, "promoting"); err == nil {
		return &Disturbance{h.Name(), "promoting, at " + at.Format("15:04:05.000")}
	}
	return nil
}

// Logged gives the time of the first line of a node's log with the message.
func (h *Holdfast) Logged(node, message string) (time.Time, error) {
	f, err := os.Open(h.runs[node].log)
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var line struct {
			Time    time.Time `json:"time"`
			Message string    `json:"msg"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == message {
			return line.Time, nil
		}
	}
	return time.Time{}, fmt.Errorf("the log of %s has no line %q; its end: %s", node, message, h.runs[node].lastLines(3))
}

// Close kills both.
func (h *Holdfast) Close() error {
	for _, c := range h.clients {
		c.Close()
	}
	for _, r := range h.runs {
		r.Kill()
	}
	return nil
}

// AwaitActive waits until a node is active.
func (h *Holdfast) AwaitActive(ctx context.Context, node string) error {
	return h.awaitStatus(ctx, node, node+" is active", func(st *control.Status) bool { return st.Role == control.Active })
}

package command

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/config"
)

// suspectShort is a suspicion that comes sooner than ordinary machines answer.
const suspectShort = 100 * time.Millisecond

// groupAnswers is what init was told by flags.
type groupAnswers struct {
	cluster, group, folder string
	members, witnesses     []string
	data                   string
	stateful, asJSON       bool
	locks                  bool
}

// flags are those of every kind of group.
func (a *groupAnswers) flags(c *cobra.Command, group string) {
	f := c.Flags()
	f.StringVar(&a.cluster, "cluster", "shop", "a `NAME` for the members together")
	f.StringVar(&a.group, "group", group, "the group's `NAME`")
	f.StringArrayVar(&a.members, "member", nil, "a member that does the work: `NAME=ADDRESS[,ADDRESS]`, an address for each link; repeated")
	f.StringArrayVar(&a.witnesses, "witness", nil, "a member that only votes: `NAME=ADDRESS[,ADDRESS]`")
	f.StringVar(&a.folder, "folder", ".", "the `FOLDER` to write into")
	f.BoolVar(&a.asJSON, "json", false, "print the paths as JSON")
}

func (p *Program) initLocks() *cobra.Command {
	a := groupAnswers{locks: true}
	c := &cobra.Command{
		Use:   "locks",
		Short: "write the configuration of a lock service, usually of three members",
		Long: `Writes a commented configuration file for each member of a lock service, and the key they share.
Without --data the members keep the locks in memory, and clients remember them.

Changes: writes NAME.hcl for each member and CLUSTER.key into the folder; overwrites nothing.`,
		Example: `  holdfast init locks --member a=192.0.2.1 --member b=192.0.2.2 --member c=192.0.2.3
  holdfast init locks --member a=127.0.0.1 --member b=127.0.0.2 --member c=127.0.0.3 --folder try`,
		Args: exactly(),
		RunE: func(*cobra.Command, []string) error { return p.writeGroup(&a) },
	}
	a.flags(c, "locks")
	c.Flags().StringVar(&a.data, "data", "", "keep a log in this `FOLDER` on each machine: locks outlive a power cut of all members")
	return c
}

func (p *Program) initGroup() *cobra.Command {
	var a groupAnswers
	c := &cobra.Command{
		Use:   "group",
		Short: "write the configuration of a group, usually of two members and a witness",
		Long: `Writes a commented configuration file for each member, and the key they share. Programs that
have a state are configured in Go; with --stateful only the witnesses' files are written.

Changes: writes NAME.hcl for each member and CLUSTER.key into the folder; overwrites nothing.`,
		Example: `  holdfast init group --member a=192.0.2.1 --member b=192.0.2.2 --witness w=192.0.2.3
  holdfast init group --member a=127.0.0.1 --member b=127.0.0.2 --witness w=127.0.0.3 --folder try`,
		Args: exactly(),
		RunE: func(*cobra.Command, []string) error { return p.writeGroup(&a) },
	}
	a.flags(c, "orders")
	c.Flags().BoolVar(&a.stateful, "stateful", false, "the members have a state, and are programs of your own")
	return c
}

func (p *Program) writeGroup(a *groupAnswers) error {
	if len(a.members)+len(a.witnesses) < 2 {
		if a.locks {
			return wrongUse("missing: --member for each that keeps the locks, best three; see: holdfast init locks --help")
		}
		return wrongUse("missing: --member for each that does the work, best two, and --witness; see: holdfast init group --help")
	}
	files := &config.GroupFiles{
		Cluster: a.cluster, Group: a.group, Stateful: a.stateful, Locks: a.locks, Data: a.data, KeyFile: filepath.Join(installed, a.cluster+".key"),
	}
	for i, text := range append(append([]string(nil), a.members...), a.witnesses...) {
		name, list, ok := strings.Cut(text, "=")
		if !ok || name == "" || list == "" {
			return wrongUse("%q is not NAME=ADDRESS[,ADDRESS], as in a=192.0.2.1", text)
		}
		m := config.GroupFilesMember{Name: name, Witness: i >= len(a.members)}
		for address := range strings.SplitSeq(list, ",") {
			m.Addresses = append(m.Addresses, strings.TrimSpace(address))
		}
		files.Members = append(files.Members, m)
	}
	if files.Local() { // to try it out: then nothing needs to be copied, nor rights
		folder, err := filepath.Abs(a.folder)
		if err != nil {
			return err
		}
		files.KeyFile, files.Sockets = filepath.Join(folder, a.cluster+".key"), folder
		if a.data != "" {
			if files.Data, err = filepath.Abs(a.data); err != nil {
				return err
			}
		}
	}
	written, err := files.Write(a.folder)
	if err != nil {
		return p.nothingWritten(err, "group")
	}
	if a.asJSON {
		return p.printWritten(written)
	}
	_, err = io.WriteString(p.Output, a.next(files, written))
	return err
}

// next says what was written, and what to do with it.
func (a *groupAnswers) next(files *config.GroupFiles, written []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "wrote %s\n\n", strings.Join(written, ", "))
	ask := "holdfast group members"
	if files.Local() {
		b.WriteString("All are on this machine. In a terminal for each:\n\n")
		if files.Data != "" {
			fmt.Fprintf(&b, "  mkdir -p %s\n", files.Data)
		}
		for i := range files.Nodes() {
			fmt.Fprintf(&b, "  holdfast run -c %s\n", written[i])
		}
		ask += " -c " + written[0]
	} else {
		file, key := filepath.Join(installed, a.cluster+".hcl"), written[len(written)-1]
		b.WriteString("On each machine, with its own file:\n\n")
		for i, node := range files.Nodes() {
			fmt.Fprintf(&b, "  scp %s %s:%s && scp -p %s %s:%s\n", written[i], node, file, key, node, files.KeyFile)
		}
		b.WriteString("\nand there:\n\n")
		if files.Data != "" {
			fmt.Fprintf(&b, "  mkdir -p %s\n", filepath.Dir(files.Data))
		}
		fmt.Fprintf(&b, "  holdfast check %s\n  holdfast run -c %s\n", file, file)
	}
	b.WriteString("\n")
	if a.stateful {
		b.WriteString("The other members are your programs: docs/guides/groups.md, with the same names, addresses,\nvotes and key. ")
	}
	fmt.Fprintf(&b, "Then ask any: %s\n", ask)
	if a.locks {
		socket := ""
		if files.Local() {
			socket = "-s " + files.LockSocket(files.Nodes()[0]) + " "
		}
		fmt.Fprintf(&b, "and lock:     holdfast lock run %shello -- date\n", socket)
	}
	return b.String()
}

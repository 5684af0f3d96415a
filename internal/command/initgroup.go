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
	stateful, asJSON       bool
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
	f := c.Flags()
	f.StringVar(&a.cluster, "cluster", "shop", "a `NAME` for the members together")
	f.StringVar(&a.group, "group", "orders", "the group's `NAME`")
	f.StringArrayVar(&a.members, "member", nil, "a member that does the work: `NAME=ADDRESS[,ADDRESS]`, an address for each link; repeated")
	f.StringArrayVar(&a.witnesses, "witness", nil, "a member that only votes: `NAME=ADDRESS[,ADDRESS]`")
	f.BoolVar(&a.stateful, "stateful", false, "the members have a state, and are programs of your own")
	f.StringVar(&a.folder, "folder", ".", "the `FOLDER` to write into")
	f.BoolVar(&a.asJSON, "json", false, "print the paths as JSON")
	return c
}

func (p *Program) writeGroup(a *groupAnswers) error {
	if len(a.members)+len(a.witnesses) < 2 {
		return wrongUse("missing: --member for each that does the work, best two, and --witness; see: holdfast init group --help")
	}
	files := &config.GroupFiles{
		Cluster: a.cluster, Group: a.group, Stateful: a.stateful, KeyFile: filepath.Join(installed, a.cluster+".key"),
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
		fmt.Fprintf(&b, "\nand there:\n\n  holdfast check %s\n  holdfast run -c %s\n", file, file)
	}
	b.WriteString("\n")
	if a.stateful {
		b.WriteString("The other members are your programs: docs/guides/groups.md, with the same names, addresses,\nvotes and key. ")
	}
	fmt.Fprintf(&b, "Then ask any: %s\n", ask)
	return b.String()
}

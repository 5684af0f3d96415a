package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/config"
)

func (p *Program) key() *cobra.Command {
	return p.group("key", "make the keys that seal the links", p.keyNew())
}

func (p *Program) keyNew() *cobra.Command {
	var add, asJSON bool
	c := &cobra.Command{
		Use:   "new [--add] FILE",
		Short: "write a new key",
		Long: `Writes a file with one new random key, readable by its owner only, for key_file in the
configuration. All nodes need the same file: copy it over a safe way.

To change the key of a running pair: append a further one with --add on one node, copy the
file to the other, and reload both; then put the new key's line first in both files and
reload; then remove the old line.

Changes: FILE, which without --add must not exist.`,
		Example: "  holdfast key new /etc/holdfast/edge.key\n  holdfast key new --add /etc/holdfast/edge.key",
		Args:    exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			number, err := config.MakeKey(args[0], add)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(struct {
					File string `json:"file"`
					Key  int    `json:"key"`
				}{args[0], number})
			}
			_, err = fmt.Fprintf(p.Output, "key %d is in %s; copy the file to all other nodes\n", number, args[0])
			return err
		},
	}
	c.Flags().BoolVar(&add, "add", false, "append a further key to a FILE that exists")
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

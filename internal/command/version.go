package command

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/control"
)

// thisVersion is what program this is, as the Go tool recorded it.
func thisVersion() control.Version {
	v := control.Version{Version: "(devel)", Schema: control.Schema}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Commit = setting.Value
		}
	}
	return v
}

func (p *Program) version() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "say what program this is",
		Long:    "Prints the version of this program. Changes nothing.",
		Example: "  holdfast version\n  holdfast version --json",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := thisVersion()
			if asJSON {
				return p.writeJSON(v)
			}
			_, err := fmt.Fprintf(p.Output, "holdfast %s %s\n", v.Version, v.Go)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// writeJSON writes one value, indented.
func (p *Program) writeJSON(value any) error {
	e := json.NewEncoder(p.Output)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

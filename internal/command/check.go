package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
)

// checked is one file's result in JSON.
type checked struct {
	File        string    `json:"file"`
	Correct     bool      `json:"correct"`
	Mistakes    []mistake `json:"mistakes"`
	Cluster     string    `json:"cluster,omitempty"`
	Node        string    `json:"node,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	Groups      []string  `json:"groups,omitempty"`
	Notes       []string  `json:"notes,omitempty"`

	file *config.File
}

type mistake struct {
	Line   int    `json:"line"` // 0: the file as a whole
	Column int    `json:"column"`
	What   string `json:"what"`
	Remedy string `json:"remedy,omitempty"`
}

func (p *Program) check() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check FILE...",
		Short: "find every mistake in a configuration",
		Long: `Reads configuration files and prints every mistake at once, each with its line, its column
and what to write instead. With the files of several nodes it also tells whether the
nodes would accept each other.

Changes nothing, starts nothing, needs no rights; the interfaces and the kernel of this
machine are not looked at, which is for the start. The exit code is 0 if all is well.`,
		Example: "  holdfast check /etc/holdfast/edge.hcl\n  holdfast check fw1.hcl fw2.hcl",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return wrongUse("FILE is missing; write: holdfast check FILE")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, paths []string) error {
			var results []checked
			for _, path := range paths {
				results = append(results, p.checkFile(path, asJSON))
			}
			different := disagreements(results)
			if asJSON {
				if err := p.writeJSON(struct {
					Schema        int       `json:"schema"`
					Files         []checked `json:"files"`
					Disagreements []string  `json:"disagreements"`
				}{control.Schema, results, different}); err != nil {
					return err
				}
			}
			return p.conclude(results, different, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// checkFile reads one file, and prints what is wrong unless JSON is asked for.
func (p *Program) checkFile(path string, asJSON bool) checked {
	f, diags := config.Load(path)
	result := checked{File: path, Correct: !diags.HasErrors(), Mistakes: mistakes(diags), file: f}
	if !result.Correct {
		if !asJSON && !unreadable(diags) {
			_ = config.Print(p.Errors, diags)
		}
		return result
	}
	result.Cluster, result.Node = f.Cluster.Name, f.Node
	if result.Notes = notes(f); len(f.Groups) > 0 {
		for _, g := range f.Groups {
			result.Groups = append(result.Groups, g.Name)
		}
		if !asJSON {
			p.tellGroups(path, f, &result)
		}
		return result
	}
	result.Fingerprint = fmt.Sprintf("%08x", f.Fingerprint())
	if !asJSON {
		var members []string
		for _, m := range f.Cluster.Members {
			members = append(members, m.Name)
		}
		fmt.Fprintf(p.Output, "%s: correct: node %s of %s in cluster %s, %s, fingerprint %s\n", path, f.Node,
			strings.Join(members, " and "), f.Cluster.Name, addressCount(len(f.Firewall.Addresses)), result.Fingerprint)
		for _, note := range result.Notes {
			fmt.Fprintf(p.Output, "  note: %s\n", note)
		}
	}
	return result
}

func addressCount(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}

func mistakes(diags hcl.Diagnostics) []mistake {
	list := []mistake{}
	for _, d := range diags {
		m := mistake{What: d.Summary, Remedy: d.Detail}
		if d.Subject != nil {
			m.Line, m.Column = d.Subject.Start.Line, d.Subject.Start.Column
		}
		list = append(list, m)
	}
	return list
}

// notes tell of a correct file what a person may want to know.
func notes(f *config.File) []string {
	var list []string
	c := &f.Cluster
	if len(f.Groups) > 0 {
		return groupNotes(f)
	}
	if c.Insecure {
		list = append(list, "insecure: anyone on a link can take the addresses or plant flows")
	} else if _, err := os.Stat(c.KeyFile); errors.Is(err, fs.ErrNotExist) {
		list = append(list, fmt.Sprintf("key_file %s does not exist on this machine; copy it from the other node, or make one: holdfast key new %s", c.KeyFile, c.KeyFile))
	}
	if len(f.Self().Links) == 1 {
		list = append(list, "one link only: if it fails while both nodes live, both become active; add a second one on another switch")
	}
	return list
}

// disagreements compares correct files: what nodes must agree on, and who they are.
func disagreements(results []checked) []string {
	list := []string{}
	var first *checked
	names := map[string]string{}
	for i := range results {
		r := &results[i]
		if !r.Correct {
			continue
		}
		if other, ok := names[r.Node]; ok {
			list = append(list, fmt.Sprintf("%s and %s are both for node %s: give each its own name in node = …", other, r.File, r.Node))
		}
		names[r.Node] = r.File
		if first == nil {
			first = r
			continue
		}
		if ours, theirs := first.file.Agreement(), r.file.Agreement(); ours != theirs {
			list = append(list, fmt.Sprintf("%s and %s would refuse each other: %s", first.File, r.File, difference(ours, theirs)))
		}
	}
	return list
}

// difference is the first line that two agreements do not share.
func difference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("%s there, %s here", orNothing(x[i]), orNothing(y[i]))
		}
	}
	return "one has more to say than the other"
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func (p *Program) conclude(results []checked, different []string, asJSON bool) error {
	wrong, wrongAt, total := 0, 0, 0
	for i, r := range results {
		if !r.Correct {
			wrong, wrongAt = wrong+1, i
			total += len(r.Mistakes)
		}
	}
	if asJSON && (wrong > 0 || len(different) > 0) {
		return &exitError{code: codeFailed}
	}
	switch {
	case wrong == 1 && total == 1 && results[wrongAt].Mistakes[0].Line == 0:
		return errors.New(results[wrongAt].Mistakes[0].What)
	case wrong == 1 && len(results) == 1:
		return fmt.Errorf("%s: %s", results[0].File, mistakeCount(total))
	case wrong > 0:
		return fmt.Errorf("%s in %d of %d files", mistakeCount(total), wrong, len(results))
	case len(different) > 0:
		return errors.New(strings.Join(different, "\n"))
	}
	return nil
}

func mistakeCount(n int) string { return control.Count(n, "mistake") }

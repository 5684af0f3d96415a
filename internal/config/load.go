package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Load reads the file at path. On any error the file is nil and the diagnostics tell
// all of them, in the order of the file; [Print] writes them for a person. Nothing but
// the file itself is looked at: that an interface exists and a key can be read is for
// the start to find out.
func Load(path string) (*File, hcl.Diagnostics) {
	src, err := read(path)
	if err != nil {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: reason(path, err)}}
	}
	return Parse(src, path)
}

// Parse is [Load] of what has been read from path. The diagnostics refer to src.
func Parse(src []byte, path string) (*File, hcl.Diagnostics) {
	if len(src) > fileSizeMax {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError,
			Summary: fmt.Sprintf("%s is larger than %d bytes, which no configuration is", path, fileSizeMax)}}
	}
	parsed, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	r := &reader{diags: diags}
	if diags.HasErrors() {
		// What could not be parsed would be reported again as missing.
		return nil, r.finish(src)
	}
	body := parsed.Body.(*hclsyntax.Body)
	r.checkShape(fileShape, body, nil)
	top := section{r, body, "the file", hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}} // points at nothing
	f := &File{Path: path}
	r.readFile(top, f)
	if r.diags.HasErrors() {
		return nil, r.finish(src)
	}
	return f, nil
}

func (r *reader) readFile(top section, f *File) {
	r.groups = top.mentions("group") && top.count("firewall") == 0
	shared := &clusterSection{}
	if found := top.blocks("cluster", 1); len(found) > 0 {
		shared = r.readCluster(found[0], &f.Cluster)
	} else if !top.mentions("cluster") {
		r.fail(top.at, "there is no cluster block", `write cluster "NAME" { … } with a member block for each node`)
	}
	r.readNode(top, f, shared)
	if found := top.blocks("firewall", 0); len(found) > 0 {
		r.readFirewall(r.section(found[0]), &f.Firewall, shared)
	} else if !top.mentions("firewall") && !r.groups {
		r.fail(top.at, "there is neither a firewall nor a group block",
			`write firewall { … } with the addresses to protect, or group "NAME" { … } for each group that this node is in`)
	}
	r.readGroups(top, f)
	r.readControl(top, f)
	r.readLog(top, &f.Log)
}

// finish orders the diagnostics as the file has them, bounds them and gives each the
// source it points into.
func (r *reader) finish(src []byte) hcl.Diagnostics {
	slices.SortStableFunc(r.diags, func(a, b *hcl.Diagnostic) int { return startOf(a) - startOf(b) })
	if len(r.diags) > diagnosticsMax {
		more := len(r.diags) - diagnosticsMax
		r.diags = append(r.diags[:diagnosticsMax:diagnosticsMax], &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: fmt.Sprintf("and %d further errors", more),
		})
	}
	for _, d := range r.diags {
		if d.Subject != nil {
			d.Extra = source(src)
		}
	}
	return r.diags
}

func startOf(d *hcl.Diagnostic) int {
	if d.Subject == nil {
		return 0
	}
	return d.Subject.Start.Byte
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, fileSizeMax+1))
}

// reason says in one line why a file could not be read.
func reason(path string, err error) string {
	var wrapped *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("file %q does not exist; write one with: holdfast init firewall, or holdfast init group", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("file %q may not be read by this user", path)
	case errors.As(err, &wrapped):
		return fmt.Sprintf("file %q cannot be read: %v", path, wrapped.Err)
	}
	return fmt.Sprintf("file %q cannot be read: %v", path, err)
}

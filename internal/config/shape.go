package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// shape is what may stand in a block: the one place that lists every key. The guide's
// test reads it too.
type shape struct {
	kind   string   // the block's word
	label  string   // what its label is, for messages; "" where it has none
	keys   []string // the keys it may have
	blocks []*shape // the blocks it may have
	many   bool     // whether it may stand more than once
}

var fileShape = &shape{
	kind: "",
	keys: []string{"node"},
	blocks: []*shape{
		{
			kind: "cluster", label: "name",
			keys: []string{"key_file", "insecure", "port", "heartbeat", "suspect_after", "transport"},
			blocks: []*shape{{
				kind: "member", label: "name", many: true,
				keys: []string{"priority", "votes", "witness"},
				blocks: []*shape{{
					kind: "link", label: "label", many: true,
					keys: []string{"address"},
				}},
			}, {
				kind: "multicast", label: "link's label", many: true,
				keys: []string{"address", "port"},
			}},
		},
		{
			kind: "group", label: "name", many: true,
			keys:   []string{"partition", "engine", "message_max", "stateful"},
			blocks: []*shape{{kind: "locks", keys: []string{"data", "socket", "order", "style", "voters", "alone", "durability", "recovery", "window", "lease_max"}}},
		},
		{
			kind: "firewall",
			keys: []string{"inject", "preempt", "coalesce", "track", "ignore", "max_flows"},
			blocks: []*shape{{
				kind: "address", label: "address with prefix length", many: true,
				keys: []string{"interface"},
			}},
		},
		{kind: "control", keys: []string{"socket"}},
		{kind: "log", keys: []string{"level", "format"}},
	},
}

// word is one thing that can be written in a file and where.
type word struct {
	text    string
	block   bool
	section string // the word of the block it belongs in, "" for the top of the file
}

// words lists everything a file may say, with where it belongs.
func (s *shape) words() []word {
	var all []word
	for _, k := range s.keys {
		all = append(all, word{k, false, s.kind})
	}
	for _, b := range s.blocks {
		all = append(all, word{b.kind, true, s.kind})
		all = append(all, b.words()...)
	}
	return all
}

func (s *shape) block(kind string) *shape {
	for _, b := range s.blocks {
		if b.kind == kind {
			return b
		}
	}
	return nil
}

// place says where a block is, for messages: `cluster "edge"`, "the file".
func place(b *hclsyntax.Block) string {
	if b == nil {
		return "the file"
	}
	if len(b.Labels) == 0 {
		return "block " + b.Type
	}
	return fmt.Sprintf("%s %q", b.Type, b.Labels[0])
}

// checkShape reports whatever stands in a body and may not: unknown keys and blocks,
// blocks given twice, missing or superfluous labels.
func (r *reader) checkShape(s *shape, body *hclsyntax.Body, at *hclsyntax.Block) {
	for _, name := range sortedKeys(body.Attributes) {
		if !slices.Contains(s.keys, name) {
			r.unknownKey(s, name, body.Attributes[name].NameRange, place(at))
		}
	}
	first := map[string]hcl.Range{}
	for _, b := range body.Blocks {
		inner := s.block(b.Type)
		if inner == nil {
			r.unknownBlock(s, b, place(at))
			continue
		}
		before, seen := first[b.Type]
		if seen && !inner.many {
			r.failf(b.DefRange(), fmt.Sprintf("a second %s block", b.Type),
				"there may be one; the first is on line %d", before.Start.Line)
		}
		if !seen {
			first[b.Type] = b.DefRange()
		}
		r.checkLabels(inner, b)
		r.checkShape(inner, b.Body, b)
	}
}

func (r *reader) checkLabels(s *shape, b *hclsyntax.Block) {
	switch {
	case s.label == "" && len(b.Labels) > 0:
		r.failf(b.LabelRanges[0], fmt.Sprintf("%s takes no label, found %q", b.Type, b.Labels[0]),
			"write %s { … }", b.Type)
	case s.label != "" && len(b.Labels) == 0:
		r.failf(b.TypeRange, fmt.Sprintf("%s needs its %s", b.Type, s.label),
			"write %s %q { … }", b.Type, labelExample(s))
	case s.label != "" && len(b.Labels) > 1:
		r.failf(b.LabelRanges[1], fmt.Sprintf("%s takes one label, found %d", b.Type, len(b.Labels)),
			"write %s %q { … }", b.Type, b.Labels[0])
	}
}

func labelExample(s *shape) string {
	switch s.kind {
	case "cluster":
		return "edge"
	case "member":
		return "fw1"
	case "link", "multicast":
		return "sync"
	case "group":
		return "orders"
	}
	return "192.0.2.1/24"
}

func (r *reader) unknownKey(s *shape, name string, at hcl.Range, where string) {
	r.unknown = append(r.unknown, name)
	summary := fmt.Sprintf("unknown key %q in %s", name, where)
	r.fail(at, summary, adviceFor(s, name, false))
}

func (r *reader) unknownBlock(s *shape, b *hclsyntax.Block, where string) {
	r.unknown = append(r.unknown, b.Type)
	summary := fmt.Sprintf("unknown block %q in %s", b.Type, where)
	r.fail(b.TypeRange, summary, adviceFor(s, b.Type, true))
}

// adviceFor says what an unknown word was probably meant to be: the other form of the
// same word, the same word elsewhere, a similar word here, or else all that is allowed.
func adviceFor(s *shape, name string, isBlock bool) string {
	if isBlock && slices.Contains(s.keys, name) {
		return fmt.Sprintf("%q is a key: write %s = …", name, name)
	}
	if inner := s.block(name); inner != nil && !isBlock {
		if inner.label == "" {
			return fmt.Sprintf("%q is a block: write %s { … }", name, name)
		}
		return fmt.Sprintf("%q is a block: write %s %q { … }", name, name, labelExample(inner))
	}
	for _, w := range fileShape.words() {
		if w.text == name && w.block == isBlock {
			if w.section == "" {
				return fmt.Sprintf("%s belongs at the top of the file, outside every block", name)
			}
			return fmt.Sprintf("%s belongs in a %s block", name, w.section)
		}
	}
	allowed := append([]string(nil), s.keys...)
	for _, b := range s.blocks {
		allowed = append(allowed, b.kind)
	}
	if best := nearest(name, allowed); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "allowed here: " + strings.Join(allowed, ", ")
}

// nearest finds the candidate that a person who wrote name most likely meant, or "".
func nearest(name string, candidates []string) string {
	best, bestDistance := "", 1+len(name)/3
	for _, c := range candidates {
		if d := editDistance(name, c); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and replacements between two words
// (Levenshtein). Words beyond nameSizeMax are far from everything.
func editDistance(a, b string) int {
	if len(a) > nameSizeMax || len(b) > nameSizeMax {
		return nameSizeMax
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above+1, row[j-1]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}

func sortedKeys(attributes hclsyntax.Attributes) []string {
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

package tidy

import (
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// link finds a link of a Markdown text, mention a path of this repository set as code.
var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mention = regexp.MustCompile("`((?:bench|check|cmd|docs|examples|internal|protocol|scripts|service|tools)/[A-Za-z0-9_./-]+)`")
)

// checkLinks checks that what a Markdown line points to in this repository is there.
func (t *tree) checkLinks(rel string, number int, line string) {
	if path.Ext(rel) != ".md" {
		return
	}
	for _, m := range link.FindAllStringSubmatch(line, -1) {
		target, _, _ := strings.Cut(m[1], "#")
		if target == "" || strings.Contains(target, ":") {
			continue // within the page, or on the web
		}
		if !exists(filepath.Join(t.root, path.Dir(rel), target)) {
			t.reportAt(rel, number, RuleText, "the link to %s leads nowhere: correct it, or write what it should lead to", target)
		}
	}
	for _, m := range mention.FindAllStringSubmatch(line, -1) {
		target := strings.TrimSuffix(m[1], "/...")
		if !exists(filepath.Join(t.root, target)) {
			t.reportAt(rel, number, RuleText, "%s is mentioned and does not exist: correct the name, or remove what was said of it", target)
		}
	}
}

package tidy

import (
	"path"
	"slices"
	"strings"
)

// bannedNames are nouns that name nothing.
var bannedNames = []string{
	"util", "utils", "common", "helper", "helpers", "types", "misc", "base", "lib", "shared", "stuff",
}

// checkName checks that the package and its directory are one noun, and the same.
func (t *tree) checkName(p *pkg) {
	dir := path.Base(p.path)
	at := path.Join(p.path, p.files[0].name)
	for _, name := range []string{p.name, dir} {
		if slices.Contains(bannedNames, name) {
			t.reportAt(at, 0, RuleName, "%q says nothing about what is inside: name the package after the one noun it holds; forty lines are enough for a package", name)
			break
		}
	}
	if strings.ContainsAny(p.name, "_ABCDEFGHIJKLMNOPQRSTUVWXYZ") && !strings.HasSuffix(p.name, "_test") {
		t.reportAt(at, 0, RuleName, "the package name %q is not one lower-case word", p.name)
	}
	if p.path != "." && p.name != "main" && strings.TrimSuffix(p.name, "_test") != dir {
		t.reportAt(at, 0, RuleName, "package %s lives in a directory named %s: one thing has one name", p.name, dir)
	}
}

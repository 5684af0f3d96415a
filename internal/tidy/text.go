package tidy

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// foreignPaths are the beginnings of paths that are there on one machine only. The
// path of the checkout itself is added when the check runs.
var foreignPaths = []string{"/home/", "/Users/", "/root/", "/tmp/"}

// todo finds a promise; owned finds one with the number of an issue.
var (
	todo  = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	owned = regexp.MustCompile(`\bTODO\(#[0-9]+\)`)
)

// skipText are the paths whose text is not ours, or breaks rules on purpose.
var skipText = []string{".git", "bin", "internal/tidy/testdata", "internal/tidy/text.go", "LICENSE", "go.sum", "tools/go.sum", "bench/peers/go.sum"}

// checkText checks every text file of the tree, Go or not.
func (t *tree) checkText() error {
	return filepath.WalkDir(t.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := t.relative(name)
		for _, skip := range skipText {
			if rel == skip && d.IsDir() {
				return fs.SkipDir
			}
			if rel == skip {
				return nil
			}
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if bytes.IndexByte(text, 0) < 0 {
			t.checkLines(rel, string(text))
		}
		return nil
	})
}

// checkLines checks the lines of one text file.
func (t *tree) checkLines(rel, text string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		for _, path := range append(foreignPaths, t.root+"/") {
			if mentions(line, path) {
				t.reportAt(rel, number, RuleText, "the path %s is there on one machine only: use a path from the root of the repository, t.TempDir, or one the user gives", path)
				break
			}
		}
		t.checkLinks(rel, number, line)
		if mark := todo.FindString(line); mark != "" && !owned.MatchString(line) {
			t.reportAt(rel, number, RuleText, "%s without an owner: write TODO(#123) with the number of an issue, or do it now", mark)
		}
	}
}

// mentions says whether a line holds an absolute path that begins so: the same
// letters inside a longer path or an address of the web are another thing.
func mentions(line, path string) bool {
	for from := 0; ; {
		i := strings.Index(line[from:], path)
		if i < 0 {
			return false
		}
		i += from
		if i == 0 || strings.ContainsRune(" \t\"'`(=:,;<>[|", rune(line[i-1])) {
			return true
		}
		from = i + 1
	}
}

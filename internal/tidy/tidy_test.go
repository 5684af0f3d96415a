package tidy

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what was found into the fixtures and docs/dependencies.txt")

const repository = "../.."

// TestHouse runs every rule over this repository.
func TestHouse(t *testing.T) {
	findings, err := Check(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// TestDependencies compares what the program links with the committed list, so that
// a new dependency is seen by whoever reviews the change.
func TestDependencies(t *testing.T) {
	findings, err := CheckDependencies(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
	got, err := Dependencies(repository)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(repository, "docs", "dependencies.txt")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the program links other packages than docs/dependencies.txt says; if that is meant, run go test ./internal/tidy -run Dependencies -update and review the difference:\n%s",
			difference(string(want), got))
	}
}

// difference lists the lines that only one of two texts has.
func difference(old, now string) string {
	before, after := strings.Split(old, "\n"), strings.Split(now, "\n")
	var b strings.Builder
	for _, line := range before {
		if !slices.Contains(after, line) {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			fmt.Fprintf(&b, "+ %s\n", line)
		}
	}
	return b.String()
}

// TestPlanted checks that every rule finds the mistakes planted for it. A fixture is
// one text file that holds a small source tree and, at its end, the findings; -update
// writes them.
func TestPlanted(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(fixtures) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	found := map[Rule]bool{RuleDependency: true, RuleSize: true} // see TestNewer and TestSizes
	for _, name := range fixtures {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := checkArchive(t, archive, found)
			last := &archive.Files[len(archive.Files)-1]
			if last.Name != "findings" {
				t.Fatalf("%s must end with -- findings --", name)
			}
			if *update {
				last.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(last.Data); got != want {
				t.Errorf("got and wanted differ:\n%s", difference(want, got))
			}
		})
	}
	for _, rule := range Rules() {
		if !found[rule] {
			t.Errorf("no fixture in testdata breaks rule %q: a rule that never finds anything is no rule", rule)
		}
	}
}

// checkArchive writes a fixture's tree and checks it. It notes the rules that were broken.
func checkArchive(t *testing.T, archive *txtar.Archive, found map[Rule]bool) string {
	t.Helper()
	dir := t.TempDir()
	files := append(slices.Clone(archive.Files), txtar.File{Name: "go.mod", Data: []byte("module example.org/house\n\ngo 1.26.0\n")})
	for _, f := range files {
		if f.Name == "findings" {
			continue
		}
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	findings, err := Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range findings {
		found[f.Rule] = true
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// TestSizes plants what would be too long for a fixture: one line too many, one name
// too many.
func TestSizes(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("\n", n) }
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "// N%d is one.\nconst N%d = 1\n", i, i)
		}
		return b.String()
	}
	const doc = "// Package view is a test.\npackage view\n"
	for _, c := range []struct {
		name, file, source, want string
	}{
		{"a file of 600 lines fits", "view.go", doc + lines(597) + "type t int", ""},
		{"a file of 601 does not", "view.go", doc + lines(598) + "type t int", "the file has 601 lines"},
		{"a function of 70 lines fits", "view.go", doc + "func f() {\n" + lines(68) + "}\n", ""},
		{"a function of 71 does not", "view.go", doc + "func f() {\n" + lines(69) + "}\n", "f has 71 lines"},
		{"a test of 110 lines fits", "view_test.go", doc + "func f() {\n" + lines(108) + "}\n", ""},
		{"a test of 111 does not", "view_test.go", doc + "func f() {\n" + lines(109) + "}\n", "f has 111 lines"},
		{"40 names fit", "view.go", doc + names(40), ""},
		{"41 do not", "view.go", doc + names(41), "exports 41 names"},
		{"an enumeration is one name", "view.go", doc + names(39) + "// T is one.\ntype T int\n// Some of it.\nconst (\n\tA T = iota\n\tB\n\tC\n)\n", ""},
	} {
		got := checkArchive(t, &txtar.Archive{Files: []txtar.File{{Name: "protocol/view/" + c.file, Data: []byte(c.source)}}}, map[Rule]bool{})
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

// TestNewer checks the comparison of a dependency's Go with ours.
func TestNewer(t *testing.T) {
	lines := []string{
		"example.org/old v1.0.0 go1.9", "example.org/same v1.0.0 go1.26.0", "example.org/patch v1.0.0 go1.26.9",
		"example.org/none v1.0.0 go", "example.org/next v1.0.0 go1.27.0", "example.org/far v2.0.0 go2.0", "",
	}
	var got []string
	for _, f := range newer(lines) {
		got = append(got, strings.Fields(f.Message)[0])
	}
	if want := []string{"example.org/next", "example.org/far"}; !slices.Equal(got, want) {
		t.Errorf("newer found %v, want %v", got, want)
	}
}

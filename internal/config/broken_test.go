package config

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestBroken holds the words in which mistakes are told. Each case is a whole file
// ("file"), or testdata/good.hcl with one replacement ("change": the old text, a line
// of ---, the new text), or testdata/group.hcl with one ("regroup"). After a change of words: go test ./internal/config -rewrite
func TestBroken(t *testing.T) {
	good, err := os.ReadFile("testdata/good.hcl")
	if err != nil {
		t.Fatal(err)
	}
	group, err := os.ReadFile("testdata/group.hcl")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	datadriven.Walk(t, "testdata/broken", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			src := d.Input + "\n"
			if d.Cmd == "change" || d.Cmd == "regroup" {
				base := string(good)
				if d.Cmd == "regroup" {
					base = string(group)
				}
				old, replacement, _ := strings.Cut(d.Input, "\n---")
				if strings.Count(base, old) == 0 {
					d.Fatalf(t, "%q is not in the file", old)
				}
				src = strings.Replace(base, old, strings.TrimPrefix(replacement, "\n"), 1)
			}
			cases++
			f, diags := Parse([]byte(src), "fw1.hcl")
			if f != nil {
				return "accepted\n"
			}
			var out bytes.Buffer
			if err := Print(&out, diags); err != nil {
				t.Fatal(err)
			}
			return out.String()
		})
	})
	if cases < 40 {
		t.Errorf("%d cases were run, want at least 40", cases)
	}
}

// TestBrokenWithoutEnd holds that nobody must read a thousand mistakes.
func TestBrokenWithoutEnd(t *testing.T) {
	src := "node = 1\n" + strings.Repeat("x {}\n", 1000)
	_, diags := Parse([]byte(src), "fw1.hcl")
	if len(diags) != diagnosticsMax+1 || !strings.Contains(diags[diagnosticsMax].Summary, "further") {
		t.Errorf("%d diagnostics, the last is %q", len(diags), diags[len(diags)-1].Summary)
	}
	_, diags = Parse(bytes.Repeat([]byte("#"), fileSizeMax+1), "fw1.hcl")
	if len(diags) != 1 || !strings.Contains(diags[0].Summary, "larger") {
		t.Errorf("a huge file: %v", diags)
	}
}

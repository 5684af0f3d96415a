package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// stream is what "go test -json" printed for four packages, shortened by hand.
const stream = `{"ImportPath":"example.org/d","Action":"build-output","Output":"d.go:3: undefined: x\n"}
{"ImportPath":"example.org/d","Action":"build-fail"}
{"Action":"start","Package":"example.org/a"}
{"Action":"run","Package":"example.org/a","Test":"TestGood"}
{"Action":"output","Package":"example.org/a","Test":"TestGood","Output":"noise\n"}
{"Action":"pass","Package":"example.org/a","Test":"TestGood","Elapsed":0.01}
{"Action":"output","Package":"example.org/a","Test":"TestKernel","Output":"=== RUN   TestKernel\n"}
{"Action":"output","Package":"example.org/a","Test":"TestKernel","Output":"    a_test.go:9: needs root\n"}
{"Action":"output","Package":"example.org/a","Test":"TestKernel","Output":"--- SKIP: TestKernel (0.00s)\n"}
{"Action":"skip","Package":"example.org/a","Test":"TestKernel","Elapsed":0}
{"Action":"pass","Package":"example.org/a","Elapsed":0.12}
go: a line that is not JSON
{"Action":"output","Package":"example.org/b","Test":"TestBad","Output":"    b_test.go:5: wrong\n"}
{"Action":"fail","Package":"example.org/b","Test":"TestBad","Elapsed":0.5}
{"Action":"fail","Package":"example.org/b","Elapsed":0.6}
{"Action":"output","Package":"example.org/c","Output":"panic: in TestMain\n"}
{"Action":"fail","Package":"example.org/c","Elapsed":0.1}
{"Action":"fail","Package":"example.org/d","Elapsed":0,"FailedBuild":"example.org/d"}
{"Action":"skip","Package":"example.org/none","Elapsed":0}
`

func TestRead(t *testing.T) {
	var out bytes.Buffer
	c, err := read(strings.NewReader(stream), &out)
	if err != nil {
		t.Fatal(err)
	}
	if want := (counts{passed: 1, failed: 3, skipped: 1}); c != want {
		t.Errorf("counted %v, want %v", c, want)
	}
	const want = `d.go:3: undefined: x
skip example.org/a TestKernel: a_test.go:9: needs root
ok   example.org/a: 2 tests (0.1s)
go: a line that is not JSON
FAIL example.org/b TestBad (0.50s)
    b_test.go:5: wrong
FAIL example.org/b (0.6s)
panic: in TestMain
FAIL example.org/c (0.1s)
FAIL example.org/d (0.0s)
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", &out, want)
	}
}

func TestConclude(t *testing.T) {
	for _, c := range []struct {
		name   string
		counts counts
		strict bool
		status int
	}{
		{"all passed", counts{passed: 3}, true, 0},
		{"one failed", counts{passed: 3, failed: 1}, false, 1},
		{"one skipped by a person", counts{passed: 3, skipped: 1}, false, 0},
		{"one skipped in CI", counts{passed: 3, skipped: 1}, true, 1},
		{"nothing ran", counts{}, false, 1},
	} {
		var out bytes.Buffer
		if got := conclude(&out, c.counts, c.strict); got != c.status {
			t.Errorf("%s: status %d, want %d", c.name, got, c.status)
		}
		if first, _, _ := strings.Cut(out.String(), "\n"); first != c.counts.String() {
			t.Errorf("%s: printed %q", c.name, first)
		}
	}
}

func TestTally(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tally")
	for _, c := range []counts{{passed: 5}, {passed: 1, failed: 2, skipped: 3}} {
		if err := c.add(name); err != nil {
			t.Fatal(err)
		}
	}
	got, err := sum(name)
	if want := (counts{6, 2, 3}); err != nil || got != want {
		t.Errorf("sum: %v, %v, want %v", got, err, want)
	}
	if _, err := parseTally("many passed\n"); err == nil {
		t.Error("a line that is no tally was taken for one")
	}
}

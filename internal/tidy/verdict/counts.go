package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// counts is how many tests, subtests and fuzz targets ended how.
type counts struct{ passed, failed, skipped int }

// String gives the line that ends a run.
func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

// parseTally sums up lines as String gives them.
func parseTally(text string) (counts, error) {
	var total counts
	for line := range strings.Lines(text) {
		var c counts
		if _, err := fmt.Sscanf(line, "%d passed, %d failed, %d skipped", &c.passed, &c.failed, &c.skipped); err != nil {
			return total, fmt.Errorf("line %q is no tally: %w", strings.TrimSpace(line), err)
		}
		total.passed += c.passed
		total.failed += c.failed
		total.skipped += c.skipped
	}
	return total, nil
}

// event is one line of "go test -json"; see "go doc test2json" and "go help buildjson".
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64 // seconds
}

// report collects the events of a run.
type report struct {
	counts
	out    io.Writer
	output map[string]*strings.Builder // by package and test
	ran    map[string]int              // tests by package
	failed map[string]bool             // packages with a failing test
}

// read prints what the events say and counts them. Lines that are not JSON are
// printed as they are: the Go tool writes some.
func read(in io.Reader, out io.Writer) (counts, error) {
	r := &report{out: out, output: map[string]*strings.Builder{}, ran: map[string]int{}, failed: map[string]bool{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				fmt.Fprint(out, line)
			}
		}
		if err == io.EOF {
			return r.counts, nil
		}
		if err != nil {
			return r.counts, err
		}
	}
}

// take handles one event.
func (r *report) take(e event) {
	key := e.Package + "\x00" + e.Test
	switch e.Action {
	case "output", "build-output":
		if e.Action == "build-output" {
			fmt.Fprint(r.out, e.Output)
			return
		}
		b := r.output[key]
		if b == nil {
			b = &strings.Builder{}
			r.output[key] = b
		}
		b.WriteString(e.Output)
		return
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e, key)
		} else {
			r.endTest(e, key)
		}
		delete(r.output, key)
	}
}

// endTest counts a test that ended.
func (r *report) endTest(e event, key string) {
	r.ran[e.Package]++
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.counts.failed++
		r.failed[e.Package] = true
		fmt.Fprintf(r.out, "FAIL %s %s (%.2fs)\n%s", e.Package, e.Test, e.Elapsed, r.text(key))
	case "skip":
		r.skipped++
		fmt.Fprintf(r.out, "skip %s %s: %s\n", e.Package, e.Test, r.reason(key))
	}
}

// endPackage prints the line of a package.
func (r *report) endPackage(e event, key string) {
	switch {
	case e.Action == "fail":
		// A build that fails, a panic between tests or a TestMain that gives up: no
		// test has failed, and the run has.
		if !r.failed[e.Package] {
			r.counts.failed++
			fmt.Fprint(r.out, r.text(key))
		}
		fmt.Fprintf(r.out, "FAIL %s (%.1fs)\n", e.Package, e.Elapsed)
	case r.ran[e.Package] > 0:
		fmt.Fprintf(r.out, "ok   %s: %d tests (%.1fs)\n", e.Package, r.ran[e.Package], e.Elapsed)
	}
}

func (r *report) text(key string) string {
	if b := r.output[key]; b != nil {
		return b.String()
	}
	return ""
}

// reason is what a skipped test said, on one line.
func (r *report) reason(key string) string {
	var words []string
	for line := range strings.Lines(r.text(key)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			words = append(words, line)
		}
	}
	return strings.Join(words, " ")
}

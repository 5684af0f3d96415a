// Command verdict reads the output of "go test -json" on its standard input and says
// what a person needs: one line for each package, everything that a failing test
// printed, every skipped test with its reason, and the counts.
//
//	go test -json ./... | go run ./internal/tidy/verdict -tally bin/tally
//	go run ./internal/tidy/verdict -total bin/tally
//
// The first form adds its counts to a file, the second sums the file up in one last
// line. Both end with status 1 if a test failed; with CI=true in the environment also
// if one was skipped, for there everything must be possible.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	tally := flag.String("tally", "", "file to append the counts to")
	total := flag.String("total", "", "file of counts to sum up; standard input is not read")
	flag.Parse()
	strict := os.Getenv("CI") == "true"

	var c counts
	var err error
	if *total != "" {
		c, err = sum(*total)
	} else {
		c, err = read(os.Stdin, os.Stdout)
		if err == nil && *tally != "" {
			err = c.add(*tally)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "verdict:", err)
		os.Exit(1)
	}
	os.Exit(conclude(os.Stdout, c, strict))
}

// conclude prints the last line and gives the exit status.
func conclude(w io.Writer, c counts, strict bool) int {
	fmt.Fprintln(w, c)
	switch {
	case c.failed > 0:
		return 1
	case strict && c.skipped > 0:
		fmt.Fprintln(w, "CI=true and a test was skipped: install what it needs, see scripts/packages.txt, and run as root")
		return 1
	case c.passed == 0:
		fmt.Fprintln(w, "no test ran at all")
		return 1
	}
	return 0
}

// sum adds up the lines of a tally file.
func sum(name string) (counts, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return counts{}, err
	}
	return parseTally(string(text))
}

// add appends the counts to a tally file.
func (c counts) add(name string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, c); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// Command holdfast is a member of a group of ours, for the benchmark of groups, on the
// public API and with its defaults. It speaks the lines of package bench/group/line.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/holdfast-ha/holdfast/bench/group/line"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "holdfast member: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	number := flag.Uint64("number", 1, "of this member, from 1")
	members := flag.String("members", "", "addresses of all, in order of their numbers, with commas between")
	order := flag.String("order", "total", "total or uniform")
	flag.Parse()
	addresses := strings.Split(*members, ",")
	if *number < 1 || int(*number) > len(addresses) {
		return fmt.Errorf("-number is %d and -members names %d", *number, len(addresses))
	}
	if *order != "total" && *order != "uniform" {
		return fmt.Errorf("-order is %q; it must be total or uniform", *order)
	}
	port := line.NewPort(*number, os.Stdout)
	m, err := join(port, int(*number), addresses, *order == "uniform")
	if err != nil {
		return err
	}
	return port.Serve(os.Stdin, m)
}

// join enters the group and hands to the port what it delivers.
func join(*line.Port, int, []string, bool) (line.Member, error) {
	return nil, errors.New("package holdfast has no groups yet")
}

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/bench/group"
	"github.com/holdfast-ha/holdfast/bench/locks"
	"github.com/holdfast-ha/holdfast/bench/pair"
)

// session is one run of this command.
type session struct {
	quick       bool
	rounds      int
	roundsGiven bool     // on the command line
	peers       []string // programs that group and lock measure, in small letters
	etcd        []string // files of etcd servers; none: the one in the path
	plots       string   // folder for plots
	folder      string   // for files, removed at the end
	binary      string   // holdfast

	text     io.Writer // tables and verdicts
	progress io.Writer
	started  time.Time
	made     int // folders below folder
	// disturbed counts rounds that were made again.
	disturbed map[string]int // by program
}

// Report is everything that was measured, for --json. What was not run is absent.
type Report struct {
	Machine   machine         `json:"machine"`
	Disturbed map[string]int  `json:"disturbed_rounds"` // made again, see the method round
	Quick     bool            `json:"quick"`            // few and small rounds: no figures to quote
	Inject    *injectReport   `json:"inject,omitempty"`
	Cost      *costReport     `json:"cost,omitempty"`
	Takeover  *takeoverReport `json:"takeover,omitempty"`
	Group     *groupReport    `json:"group,omitempty"`
	Lock      *lockReport     `json:"lock,omitempty"`
}

var verbs = []string{"takeover", "inject", "cost", "group", "lock", "all"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s := &session{text: os.Stdout, progress: os.Stderr, started: time.Now(), disturbed: map[string]int{}}
	verb, asJSON, err := s.parse(args)
	if err != nil {
		return err
	}
	if err := s.require(verb); err != nil {
		return err
	}
	if asJSON {
		s.text = os.Stderr
	}
	if s.folder, err = os.MkdirTemp("", "holdfast-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.folder)
	report := Report{Machine: facts(), Quick: s.quick}
	fmt.Fprint(s.text, report.Machine.text())
	if pairs(verb) {
		fmt.Fprint(s.text, report.Machine.peers())
	}
	if s.binary == "" && verb != "group" {
		s.say("building holdfast")
		if s.binary, err = pair.Build(ctx, s.folder); err != nil {
			return err
		}
	}
	if err := s.measure(ctx, verb, &report); err != nil {
		return err
	}
	report.Disturbed = s.disturbed
	for _, program := range slices.Sorted(maps.Keys(s.disturbed)) {
		s.print("%s: %d rounds made again, because the standby took over before the fault or no group was formed\n", program, s.disturbed[program])
	}
	if asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return nil
}

func (s *session) measure(ctx context.Context, verb string, report *Report) (err error) {
	if verb == "inject" || verb == "all" {
		if report.Inject, err = s.inject(ctx); err != nil {
			return fmt.Errorf("inject: %w", err)
		}
	}
	if verb == "cost" || verb == "all" {
		if report.Cost, err = s.cost(ctx); err != nil {
			return fmt.Errorf("cost: %w", err)
		}
	}
	if verb == "takeover" || verb == "all" {
		if report.Takeover, err = s.takeover(ctx); err != nil {
			return fmt.Errorf("takeover: %w", err)
		}
	}
	if verb == "group" || verb == "all" {
		if report.Group, err = s.group(ctx); err != nil {
			return fmt.Errorf("group: %w", err)
		}
	}
	if verb == "lock" || verb == "all" {
		if report.Lock, err = s.lock(ctx); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
	}
	return nil
}

// parse reads the command line. The verb may stand before, between or after the flags.
func (s *session) parse(args []string) (verb string, asJSON bool, err error) {
	verb = "all"
	if at := slices.IndexFunc(args, func(a string) bool { return slices.Contains(verbs, a) }); at >= 0 {
		verb = args[at]
		args = slices.Delete(slices.Clone(args), at, at+1)
	}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: go run ./bench [%s] [flags]\n", strings.Join(verbs, "|"))
		flags.PrintDefaults()
	}
	flags.BoolVar(&asJSON, "json", false, "write the figures as JSON to the standard output, tables to the standard error")
	flags.BoolVar(&s.quick, "quick", false, "few and small rounds, in about a minute: to see that it works")
	flags.IntVar(&s.rounds, "rounds", 0, "rounds of each measurement (default 5, group 3; with --quick 1)")
	flags.StringVar(&s.binary, "holdfast", "", "a `program` to measure instead of the one that this source tree makes")
	chosen := flags.String("peers", strings.Join(everybody(), ","), "programs that group and lock measure")
	servers := flags.String("etcd", "", "`FILES` of etcd servers that lock measures, with commas between (default: the one in the path)")
	flags.StringVar(&s.plots, "plots", plotsDefault, "folder for plots; with --quick none are written unless it is another one")
	_ = flags.Parse(args) // says what is wrong, and exits
	s.peers, s.roundsGiven = strings.Split(*chosen, ","), s.rounds > 0
	for _, name := range s.peers {
		if !slices.Contains(everybody(), name) {
			return "", false, fmt.Errorf("--peers names %q; there are %s", name, strings.Join(everybody(), ","))
		}
	}
	if *servers != "" {
		s.etcd = strings.Split(*servers, ",")
	}
	switch {
	case flags.NArg() > 0:
		return "", false, fmt.Errorf("%q is nothing that can be measured; choose one of %s", flags.Arg(0), strings.Join(verbs, ", "))
	case s.rounds < 0 || s.rounds > roundsMax:
		return "", false, fmt.Errorf("--rounds is %d; it must be from 1 to %d", s.rounds, roundsMax)
	case s.rounds == 0 && s.quick:
		s.rounds = 1
	case s.rounds == 0:
		s.rounds = 5
	}
	return verb, asJSON, nil
}

// everybody is the names of all programs that group and lock measure.
func everybody() []string {
	names := group.Names()
	for _, name := range locks.Names() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// peersOf gives those of some names that were chosen.
func (s *session) peersOf(names []string) (chosen []string) {
	for _, name := range names {
		if slices.Contains(s.peers, name) {
			chosen = append(chosen, name)
		}
	}
	return chosen
}

// pairs says whether a verb measures pairs of firewalls.
func pairs(verb string) bool { return verb != "group" && verb != "lock" }

// draws says whether plots are written: figures of quick rounds must not replace others.
func (s *session) draws() bool { return !s.quick || s.plots != plotsDefault }

// say tells what is being done, with the time since the start.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(s.progress, "%6.1fs  %s\n", time.Since(s.started).Seconds(), fmt.Sprintf(format, args...))
}

// print writes to the report for people.
func (s *session) print(format string, args ...any) { fmt.Fprintf(s.text, format, args...) }

package stage

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// notesMax is how many of the last lines are kept.
const notesMax = 400

// Note keeps what somebody does, for a report.
func (s *Stage) Note(who, what string) {
	line := fmt.Sprintf("%9.1f %s %s", float64(s.Past().Microseconds())/1000, who, what)
	if s.lines = append(s.lines, line); len(s.lines) > notesMax {
		s.lines = s.lines[notesMax/2:]
	}
}

// Notes gives the last that were noted.
func (s *Stage) Notes() string { return strings.Join(s.lines, "\n") }

// Instruct does what a line of a story says that is about the network, a client or time; false: it is about something else.
//
//	cut m1 m2, cut m1 c1 oneway, mend m1 m2
//	call c1 add 1 5, call c1 m2 read 1
//	run 20ms
func (s *Stage) Instruct(line string) bool {
	words := strings.Fields(line)
	switch verb, rest := words[0], words[1:]; verb {
	case "cut", "mend": // both ways; with oneway from the first to the second
		a, b := s.place(rest[0]), s.place(rest[1])
		s.Cut[[2]int{a, b}] = verb == "cut"
		s.Cut[[2]int{b, a}] = verb == "cut" && !(len(rest) > 2 && rest[2] == "oneway")
	case "call":
		s.call(rest)
	case "run":
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			s.t.Fatalf("%v", err)
		}
		s.Run(d)
	default:
		return false
	}
	return true
}

// place is a host's or a client's in the network: m1, c1.
func (s *Stage) place(word string) int {
	i, err := strconv.Atoi(word[1:])
	switch {
	case err == nil && word[0] == 'm' && i >= 1 && i <= len(s.hosts):
		return i
	case err == nil && word[0] == 'c' && i >= 1 && i <= len(s.Clients):
		return 2 + i
	}
	s.t.Fatalf("%q is neither m1 or m2 nor a client, as c1 is", word)
	return 0
}

func (s *Stage) call(rest []string) {
	x := s.Clients[s.place(rest[0])-3]
	if x.fixed = rest[1][0] == 'm'; x.fixed {
		x.server, rest = view.ID(s.place(rest[1])), rest[1:]
	}
	op := map[string]service.Op{"read": service.Read, "swap": service.Swap, "add": service.Add}[rest[1]]
	key, _ := strconv.Atoi(rest[2])
	value := 0
	if len(rest) > 3 {
		value, _ = strconv.Atoi(rest[3])
	}
	x.Ask(op, uint32(key), uint64(value))
}

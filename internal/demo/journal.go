package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/control"
)

// entry is one line of a node's log.
type entry struct {
	At         time.Time `json:"time"`
	Level      string    `json:"level"`
	Message    string    `json:"msg"`
	Peer       string    `json:"peer"`
	Epoch      uint64    `json:"epoch"`
	Reason     string    `json:"reason"`
	Link       string    `json:"link"`
	Kept       int       `json:"kept"`
	SilentUS   int64     `json:"silent_us"`
	PausedUS   int64     `json:"paused_us"`
	Interface  string    `json:"interface"`
	Up         bool      `json:"up"`
	Error      string    `json:"error"`
	Generation uint64    `json:"generation"`
}

// logActivated is the message of a node that has become active.
const logActivated = "activated"

// readEntry reads one line; false if it is not one of a log.
func readEntry(line []byte) (e entry, ok bool) {
	return e, json.Unmarshal(line, &e) == nil && e.Message != ""
}

// words says in few words what the entry tells a person who watches; "" for what is
// of no interest.
func (e *entry) words() string {
	switch e.Message {
	case "started":
		return "started"
	case "peer silent":
		return fmt.Sprintf("has heard nothing from %s for %s, on any link", e.Peer, control.Age(time.Duration(e.SilentUS)*time.Microsecond))
	case "peer heard":
		return "hears " + e.Peer
	case "promoting":
		return "takes over: " + e.Reason
	case logActivated:
		return fmt.Sprintf("holds the addresses, epoch %d", e.Epoch)
	case "yielded":
		return fmt.Sprintf("has given the addresses up: %s", e.Reason)
	case "handed over":
		return fmt.Sprintf("hands over, epoch %d", e.Epoch)
	case "sync received":
		if e.Kept == 0 {
			return "" // both were empty: the start
		}
		return fmt.Sprintf("has a whole copy: %s", control.Count(e.Kept, "flow"))
	case "paused":
		return fmt.Sprintf("was not run for %s: this machine is busy", control.Age(time.Duration(e.PausedUS)*time.Microsecond))
	case "link silent", "link heard", "peer joined", "sync done", "peer away", "stopped", "interface changed", "health fell", "health rose":
		return ""
	}
	if e.Level == "INFO" || e.Level == "DEBUG" {
		return ""
	}
	return e.raw()
}

// raw is the entry's message with its error.
func (e *entry) raw() string {
	if e.Error == "" {
		return e.Message
	}
	return e.Message + ": " + e.Error
}

// lines cuts what a process writes into lines. It is used by one goroutine.
type lines struct {
	part []byte
	take func(line []byte)
}

// Write takes the next bytes; it never fails. A line that is too long loses its end.
func (l *lines) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		l.part = append(l.part, line[:min(len(line), lineMax-len(l.part))]...)
		if whole {
			l.take(l.part)
			l.part = l.part[:0]
		}
		rest = after
	}
	return len(b), nil
}

// last are the latest lines of something.
type last []string

func (l *last) add(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	if len(*l) == lastMax {
		*l = append((*l)[:0], (*l)[1:]...)
	}
	*l = append(*l, line)
}

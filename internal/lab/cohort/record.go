package cohort

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Kind says what a record is about.
type Kind string

// The kinds of records. Which fields mean something is said here.
const (
	Booted    Kind = "booted"    // Incarnation: a life began
	Joining   Kind = "joining"   // the group is asked to let the process in
	Leaving   Kind = "leaving"   // the group is asked to let it out
	Viewed    Kind = "viewed"    // View, Members, Incarnations, Former
	Sent      Kind = "sent"      // Number, Order, Sum, Size: a message is about to be multicast
	Untaken   Kind = "untaken"   // Number, Since: that message was not taken; Text says why
	Delivered Kind = "delivered" // From, Incarnation, Number, Order, Sum, Size
	Gone      Kind = "gone"      // Number, Last: own messages that are lost
	Expelled  Kind = "expelled"
	Merging   Kind = "merging"
	Departed  Kind = "departed"
	Emptied   Kind = "emptied"  // the state is void, another one comes
	Restored  Kind = "restored" // State: it came
	Given     Kind = "given"    // Size: a snapshot was written, of so many messages
	Blocked   Kind = "blocked"  // Members
	Unblocked Kind = "unblocked"
	Slow      Kind = "slow"    // From; "" for nobody any more
	Refused   Kind = "refused" // Text
	Failed    Kind = "failed"  // Text: a call ended with an error
	Broken    Kind = "broken"  // Text: something happened that never may
	Status    Kind = "status"  // Text: the status of the node as JSON
)

// Record is one thing that a process did or was told.
type Record struct {
	At           time.Duration `json:"t"` // of the monotonic clock
	Kind         Kind          `json:"k"`
	From         string        `json:"from,omitempty"`
	Incarnation  uint64        `json:"inc,omitempty"`
	Number       uint64        `json:"n,omitempty"`
	Last         uint64        `json:"last,omitempty"`
	Order        uint8         `json:"order,omitempty"`
	Sum          uint64        `json:"sum,omitempty"`
	Size         int           `json:"size,omitempty"`
	Since        time.Duration `json:"since,omitempty"`
	View         string        `json:"view,omitempty"`
	Members      []string      `json:"members,omitempty"`
	Incarnations []uint64      `json:"incs,omitempty"`
	Former       []string      `json:"former,omitempty"`
	State        []byte        `json:"state,omitempty"` // see Entries
	Text         string        `json:"text,omitempty"`
}

// Now is the time of the monotonic clock, which is the same in all processes.
func Now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("cohort: a kernel without a monotonic clock: " + err.Error())
	}
	return time.Duration(t.Nano())
}

// journal writes records, in the order of their times.
type journal struct {
	mu   sync.Mutex
	file *os.File
	line []byte
}

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	return &journal{file: f}, err
}

// write writes one record, now. That the disk is full ends the process: a history with
// holes would be judged wrongly.
func (j *journal) write(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.At = Now()
	line, err := json.Marshal(&r)
	if err == nil {
		j.line = append(append(j.line[:0], line...), '\n')
		_, err = j.file.Write(j.line)
	}
	if err != nil {
		panic("cohort: the record cannot be written: " + err.Error())
	}
}

// Sum is what messages are compared by: the CRC-32C of the payload.
func Sum(payload []byte) uint64 {
	return uint64(crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
}

// Entry is one message in a state.
type Entry struct {
	ID          uint16 // of the sender: its place among the names of all members, sorted, from 1
	Incarnation uint64 // of the sender
	Number      uint64
	Sum         uint64
}

const entrySize = 26

// writeEntries writes a state: the number of bytes of ballast, the ballast, the messages.
func writeEntries(w io.Writer, state []Entry, ballast int) error {
	head := binary.BigEndian.AppendUint64(nil, uint64(ballast))
	if _, err := w.Write(head); err != nil {
		return err
	}
	zeros := make([]byte, min(ballast, 64<<10))
	for ballast > 0 {
		n, err := w.Write(zeros[:min(len(zeros), ballast)])
		if err != nil {
			return err
		}
		ballast -= n
	}
	b := make([]byte, 0, len(state)*entrySize)
	for i := range state {
		e := &state[i]
		b = binary.BigEndian.AppendUint16(b, e.ID)
		b = binary.BigEndian.AppendUint64(b, e.Incarnation)
		b = binary.BigEndian.AppendUint64(b, e.Number)
		b = binary.BigEndian.AppendUint64(b, e.Sum)
	}
	_, err := w.Write(b)
	return err
}

// Entries reads the messages of a state. What is left at the end becomes an entry of
// nobody, which a judge finds.
func Entries(b []byte) []Entry {
	var state []Entry
	for ; len(b) >= entrySize; b = b[entrySize:] {
		state = append(state, Entry{
			binary.BigEndian.Uint16(b), binary.BigEndian.Uint64(b[2:]), binary.BigEndian.Uint64(b[10:]), binary.BigEndian.Uint64(b[18:]),
		})
	}
	if len(b) > 0 {
		state = append(state, Entry{})
	}
	return state
}

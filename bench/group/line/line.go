// Package line is how the benchmark of groups speaks with a member: one process, of
// whatever program and language, that is in a group of three and reads orders from its
// standard input, one a line, and answers on its standard output.
//
//	order                        answer, later than others perhaps
//	send SIZE MILLISECONDS       sent MESSAGES                 multicast flat out; answered at the end
//	count                        count MESSAGES BYTES SUM NANOSECONDS
//	latency SIZE TIMES MILLISECONDS
//	                             latency TIMES P50 P99         nanoseconds from the call to the own delivery
//	role                         role leads|follows|none       whether this member puts the messages in order
//	quit                         nothing; so does the end of the input
//
// Unasked it writes "view MEMBERS NANOSECONDS" when the number of members has changed,
// and "fault TEXT". Nanoseconds without a start are CLOCK_MONOTONIC, which all processes
// of a machine share. MESSAGES and BYTES are what was delivered here since the start, own
// messages included; SUM is a fingerprint of which messages these were, in which order:
// members that have delivered the same have the same.
//
// A message is at least [Least] bytes: the number of its sender's member and its number,
// both of 64 bits with the least byte first, then what does not matter.
//
// The package is the member's side for programs in Go; cpg/member.c and
// jgroups/Member.java say the same in C and Java.
package line

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Least is the smallest message, in bytes.
const Least = 16

// Largest is the largest, in bytes.
const Largest = 1 << 20

// tagMax is the greatest number of a member.
const tagMax = 64

// probeWait is how long one message is waited for before latency is given up.
const probeWait = 2 * time.Second

// Member is the program to be measured.
type Member interface {
	// Multicast sends a message to the group in total order. It waits while the program's
	// own limits on what is under way are reached. The payload may be changed after.
	Multicast(payload []byte) error
	// Role is "leads" at the member that puts messages in order, "follows" at the
	// others, "none" where all are equal.
	Role() string
}

// Port is what a member tells. It is safe for concurrent use, but Delivered must be
// called in the order of delivery.
type Port struct {
	tag uint64

	out   sync.Mutex
	lines *bufio.Writer

	messages, bytes, sum atomic.Uint64
	last                 [tagMax + 1]uint64 // number delivered, by sender
	faulty               bool

	probe  atomic.Uint64 // the number of the own message that is waited for; 0 for none
	probed chan int64    // when it came
}

// NewPort makes the port of a member with a number from 1.
func NewPort(tag uint64, out io.Writer) *Port {
	return &Port{tag: tag, lines: bufio.NewWriter(out), probed: make(chan int64, 1)}
}

// Delivered counts a message. One that nobody can have sent, or that comes before an
// earlier one of the same sender, is a fault, told once.
func (p *Port) Delivered(payload []byte) {
	if len(payload) < Least {
		p.Fault(fmt.Errorf("a message of %d bytes was delivered, which nobody sent", len(payload)))
		return
	}
	tag, number := binary.LittleEndian.Uint64(payload), binary.LittleEndian.Uint64(payload[8:])
	if tag < 1 || tag > tagMax || number <= p.last[tag] {
		if !p.faulty {
			p.faulty = true
			p.Fault(fmt.Errorf("message %d of member %d was delivered, which is none or comes too late: %x", number, tag, payload[:min(len(payload), 32)]))
		}
	} else {
		p.last[tag] = number
	}
	if tag == p.tag && number == p.probe.Load() {
		p.probe.Store(0)
		p.probed <- Now()
	}
	p.sum.Store((p.sum.Load() ^ (tag*0x9e3779b97f4a7c15 + number)) * 0x100000001b3)
	p.bytes.Add(uint64(len(payload)))
	p.messages.Add(1)
}

// Viewed tells that the group has so many members now.
func (p *Port) Viewed(members int) { p.say("view %d %d", members, Now()) }

// Fault tells what is wrong.
func (p *Port) Fault(err error) { p.say("fault %s", strings.ReplaceAll(err.Error(), "\n", "; ")) }

func (p *Port) say(format string, args ...any) {
	p.out.Lock()
	defer p.out.Unlock()
	fmt.Fprintf(p.lines, format+"\n", args...)
	p.lines.Flush() // nobody reads it: the bench has ended, and so will this process
}

// Serve carries out the orders until the input ends or says quit.
func (p *Port) Serve(in io.Reader, m Member) error {
	var numbers uint64 // of the own messages; one order to send is under way at a time
	var sending sync.Mutex
	orders := bufio.NewScanner(in)
	for orders.Scan() {
		fields := strings.Fields(orders.Text())
		if len(fields) == 0 {
			continue
		}
		args, err := integers(fields[1:])
		switch {
		case err != nil:
		case fields[0] == "quit":
			return nil
		case fields[0] == "count":
			p.say("count %d %d %d %d", p.messages.Load(), p.bytes.Load(), p.sum.Load(), Now())
		case fields[0] == "role":
			p.say("role %s", m.Role())
		case fields[0] == "send" && len(args) == 2 && fits(args[0]):
			go func() {
				sending.Lock()
				defer sending.Unlock()
				p.send(m, &numbers, args[0], time.Duration(args[1])*time.Millisecond)
			}()
			continue
		case fields[0] == "latency" && len(args) == 3 && fits(args[0]):
			go func() {
				sending.Lock()
				defer sending.Unlock()
				p.latency(m, &numbers, args[0], args[1], time.Duration(args[2])*time.Millisecond)
			}()
			continue
		default:
			err = errors.New("no such order, or not with these arguments")
		}
		if err != nil {
			p.Fault(fmt.Errorf("%q: %w", orders.Text(), err))
		}
	}
	return orders.Err()
}

func (p *Port) send(m Member, numbers *uint64, size int, while time.Duration) {
	message, sent := p.message(size), 0
	for end := time.Now().Add(while); time.Now().Before(end); sent++ {
		*numbers++
		binary.LittleEndian.PutUint64(message[8:], *numbers)
		if err := m.Multicast(message); err != nil {
			p.Fault(err)
			break
		}
	}
	p.say("sent %d", sent)
}

func (p *Port) latency(m Member, numbers *uint64, size, times int, while time.Duration) {
	message := p.message(size)
	var took []int64
	for end := time.Now().Add(while); len(took) < times && time.Now().Before(end); {
		*numbers++
		binary.LittleEndian.PutUint64(message[8:], *numbers)
		p.probe.Store(*numbers)
		began := Now()
		if err := m.Multicast(message); err != nil {
			p.Fault(err)
			break
		}
		late := time.NewTimer(probeWait)
		select {
		case came := <-p.probed:
			late.Stop()
			took = append(took, came-began)
			continue
		case <-late.C:
			p.Fault(fmt.Errorf("the own message %d was not delivered within %v", *numbers, probeWait))
		}
		break
	}
	if len(took) == 0 {
		took = append(took, 0)
	}
	slices.Sort(took)
	p.say("latency %d %d %d", len(took), took[len(took)/2], took[len(took)*99/100])
}

func (p *Port) message(size int) []byte {
	message := make([]byte, size)
	for i := range message {
		message[i] = byte(i)
	}
	binary.LittleEndian.PutUint64(message, p.tag)
	return message
}

// Now is CLOCK_MONOTONIC in nanoseconds.
func Now() int64 {
	const clockMonotonic = 1
	var now syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		panic("line: the kernel has no monotonic clock: " + errno.Error())
	}
	return now.Nano()
}

func fits(size int) bool { return size >= Least && size <= Largest }

func integers(fields []string) (values []int, err error) {
	for _, f := range fields {
		v, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

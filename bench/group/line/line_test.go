package line_test

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/bench/group/line"
)

// alone is a group of one: what it multicasts is delivered at once.
type alone struct{ port *line.Port }

func (a alone) Multicast(payload []byte) error {
	a.port.Delivered(payload)
	return nil
}

func (alone) Role() string { return "none" }

// converse starts a member and gives a function that gives it an order and returns the next
// line that it says.
func converse(t *testing.T) (ask func(order string) string) {
	t.Helper()
	orders, say := io.Pipe()
	hear, lines := io.Pipe()
	port := line.NewPort(7, lines)
	ended := make(chan error, 1)
	go func() { ended <- port.Serve(orders, alone{port}) }()
	t.Cleanup(func() {
		say.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	heard := bufio.NewScanner(hear)
	return func(order string) string {
		fmt.Fprintln(say, order)
		if !heard.Scan() {
			t.Fatalf("no answer to %q: %v", order, heard.Err())
		}
		return heard.Text()
	}
}

func TestOrders(t *testing.T) {
	ask := converse(t)
	if got := ask("role"); got != "role none" {
		t.Errorf("role: %q", got)
	}
	var messages, bytes, sum uint64
	var at int64
	if _, err := fmt.Sscanf(ask("count"), "count %d %d %d %d", &messages, &bytes, &sum, &at); err != nil || messages+bytes+sum != 0 || at <= 0 {
		t.Errorf("count before: %d %d %d %d, %v", messages, bytes, sum, at, err)
	}
	var times, p50, p99 int64
	if _, err := fmt.Sscanf(ask("latency 64 10 60000"), "latency %d %d %d", &times, &p50, &p99); err != nil || times != 10 || p50 <= 0 || p99 < p50 {
		t.Errorf("latency: %d %d %d, %v", times, p50, p99, err)
	}
	var sent uint64
	if _, err := fmt.Sscanf(ask("send 100 20"), "sent %d", &sent); err != nil || sent == 0 {
		t.Errorf("send: %d, %v", sent, err)
	}
	if _, err := fmt.Sscanf(ask("count"), "count %d %d %d %d", &messages, &bytes, &sum, &at); err != nil || messages != sent+10 || bytes != sent*100+640 || sum == 0 {
		t.Errorf("count after %d: %d %d %d, %v", sent, messages, bytes, sum, err)
	}
}

func TestBadOrdersAreFaults(t *testing.T) {
	ask := converse(t)
	for _, order := range []string{"dance", "send 64", "send 8 100", "send 9999999 1", "latency x 1 1"} {
		if got := ask(order); !strings.HasPrefix(got, "fault ") || !strings.Contains(got, order) {
			t.Errorf("%q: answered %q", order, got)
		}
	}
}

// Two orders of the same messages have other sums, the same order has the same.
func TestSumTellsTheOrder(t *testing.T) {
	message := func(tag, number byte) []byte {
		m := make([]byte, line.Least)
		m[0], m[8] = tag, number
		return m
	}
	sum := func(messages ...[]byte) string {
		orders, say := io.Pipe()
		hear, lines := io.Pipe()
		port := line.NewPort(1, lines)
		for _, m := range messages {
			port.Delivered(m)
		}
		go func() {
			_ = port.Serve(orders, alone{port})
			lines.Close()
		}()
		fmt.Fprintln(say, "count")
		heard := bufio.NewScanner(hear)
		heard.Scan()
		say.Close()
		return strings.Fields(heard.Text())[3]
	}
	a, b := message(1, 1), message(2, 1)
	one, other, again := sum(a, b), sum(b, a), sum(a, b)
	if one == other {
		t.Error("two orders have one sum")
	}
	if one != again {
		t.Error("one order has two sums")
	}
}

// What cannot have been sent, or comes a second time, is told.
func TestImpossibleMessagesAreFaults(t *testing.T) {
	message := func(tag, number byte) []byte {
		m := make([]byte, line.Least)
		m[0], m[8] = tag, number
		return m
	}
	for _, c := range []struct {
		messages [][]byte
		want     string
	}{
		{[][]byte{message(1, 1), message(2, 1), message(1, 3)}, ""},
		{[][]byte{message(1, 1), message(1, 1)}, "fault message 1 of member 1 "},
		{[][]byte{message(200, 1), message(201, 1)}, "fault message 1 of member 200 "},
		{[][]byte{[]byte("short")}, "fault a message of 5 bytes "},
	} {
		var said strings.Builder
		port := line.NewPort(1, &said)
		for _, m := range c.messages {
			port.Delivered(m)
		}
		if got := said.String(); !strings.HasPrefix(got, c.want) || strings.Count(got, "\n") > 1 || c.want == "" && got != "" {
			t.Errorf("%v: said %q, want %q", c.messages, got, c.want)
		}
	}
}

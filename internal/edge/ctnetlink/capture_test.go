package ctnetlink

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

var capture = flag.Bool("capture", false, "write testdata/messages.txt from what this kernel says (needs root)")

// messages is what a kernel said: two lines a message, how it is read and its bytes.
var messages = filepath.Join("testdata", "messages.txt")

// TestCaptured reads what a kernel said once; it needs neither root nor a kernel.
func TestCaptured(t *testing.T) {
	if *capture {
		write(t)
	}
	n := 0
	for want, raw := range captured(t) {
		n++
		m, rest, ok := nextMessage(raw)
		if !ok || len(rest) != 0 {
			t.Errorf("%s: not one message", want)
			continue
		}
		if got := reading(m); got != want {
			t.Errorf("read as\n%s\nwas\n%s", got, want)
		}
	}
	if n < 40 {
		t.Errorf("%s has only %d messages", messages, n)
	}
}

func reading(m message) string {
	var f flow.Flow
	kind, ok := event(m, &f)
	if !ok {
		return "malformed"
	}
	return fmt.Sprintf("%v has=%07b status=%#x scale=%v flags=%x tag=%x proxy=%v adjust=%v %v",
		kind, f.Has, f.Status, f.Scale, f.TCPFlags, f.Tag, f.SynProxy, f.SeqAdj, &f)
}

func captured(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(messages)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		raw, err := hex.DecodeString(lines[i+1])
		if err != nil {
			t.Fatal(err)
		}
		all[lines[i]] = raw
	}
	return all
}

// write makes flows of every kind and records the events and the dump.
func write(t *testing.T) {
	namespace(t)
	trackEverything(t)
	useLabels(t)
	sock, err := openSocket(groupNew, groupUpdate, groupDestroy)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.close()
	table := openTable(t, TableConfig{})
	flows := everyKind()
	control := plain(flow.TCP, "192.0.2.99", "198.51.100.7", 1000, 21)
	copy(control.Helper[:], "ftp")
	control.SeqAdj[0] = flow.Adjustment{Position: 1, Before: 2, After: 3}
	data := plain(flow.TCP, "192.0.2.99", "198.51.100.7", 1001, 2021)
	data.Master, data.Zone = flow.Master{Proto: flow.TCP, Tuple: control.Orig}, 0
	data.Labels[3], data.Mark = 9, 7
	zoned := plain(flow.UDP, "192.0.2.98", "198.51.100.7", 1, 53)
	zoned.Zone = 7
	apply(t, table, Put, append(flows, control, data, zoned)...)
	fd, port := listen(t, "127.0.0.1")
	client := dial(t, "127.0.0.1", port)
	server, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(client)
	unix.Close(server)
	data.State = 4
	apply(t, table, Change, data)
	apply(t, table, Delete, flows[0], flows[12])
	w := writer{b: make([]byte, 0, messageMax)}
	w.begin(messageGet, unix.NLM_F_DUMP, 1, 0)
	w.end()
	if err := sock.send(w.b); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	buffer, seen := make([]byte, receiveMax), map[string]bool{}
	for {
		size, errno := sock.receive(buffer)
		if errno != 0 {
			break
		}
		for rest := buffer[:size]; len(rest) > 0; {
			m, after, ok := nextMessage(rest)
			if !ok {
				t.Fatal("the kernel's message is not read")
			}
			if text := reading(m); m.kind != unix.NLMSG_DONE && !seen[text] {
				seen[text] = true
				fmt.Fprintf(&out, "%s\n%x\n", text, rest[:headerSize+len(m.payload)])
			}
			rest = after
		}
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(messages, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, raw := range captured(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got, back flow.Flow
		for rest := raw; len(rest) > 0; {
			m, after, ok := nextMessage(rest)
			if !ok {
				break
			}
			rest = after
			if _, ok := event(m, &got); !ok {
				continue
			}
			// Whatever the kernel says can be told to the other firewall.
			key, state := got.AppendKey(nil), got.AppendState(nil)
			if got.ZoneWay > flow.ReplyOnly || !flow.Parse(key, state, &back) {
				t.Fatalf("%v: % x | % x is refused", &got, key, state)
			}
			w := writer{b: make([]byte, 0, messageMax)}
			w.flow(messageNew, 0, 1, formPut, &back, 0)
			if len(w.b) > messageMax {
				t.Fatalf("a message of %d bytes for %v", len(w.b), &back)
			}
			m, _, ok = nextMessage(w.b)
			if _, good := event(m, &got); !ok || !good {
				t.Fatalf("what is written cannot be read: %v", &back)
			}
		}
		errnoOf(raw)
	})
}

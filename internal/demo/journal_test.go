package demo

import (
	"slices"
	"strings"
	"testing"
)

func TestEntriesInWords(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"time":"2026-01-01T00:00:00Z","level":"WARN","msg":"peer silent","node":"fw2","peer":"fw1","silent_us":50123}`, "has heard nothing from fw1 for 50 ms, on any link"},
		{`{"level":"WARN","msg":"promoting","epoch":4,"reason":"the active fell silent"}`, "takes over: the active fell silent"},
		{`{"level":"WARN","msg":"activated","epoch":4}`, "holds the addresses, epoch 4"},
		{`{"level":"INFO","msg":"sync received","peer":"fw1","kept":1290}`, "has a whole copy: 1,290 flows"},
		{`{"level":"INFO","msg":"sync received","peer":"fw1","kept":0}`, ""},
		{`{"level":"WARN","msg":"paused","paused_us":33000}`, "was not run for 33 ms: this machine is busy"},
		{`{"level":"WARN","msg":"link silent","link":"sync"}`, ""},
		{`{"level":"DEBUG","msg":"something new"}`, ""},
		{`{"level":"ERROR","msg":"something new","error":"it broke"}`, "something new: it broke"},
	} {
		e, ok := readEntry([]byte(c.line))
		if got := e.words(); !ok || got != c.want {
			t.Errorf("%s: got %q", c.line, got)
		}
	}
	for _, line := range []string{"", "holdfast: there is no such file", "{", "{}", "[]", `{"msg":7}`} {
		if _, ok := readEntry([]byte(line)); ok {
			t.Errorf("%q was taken for a line of a log", line)
		}
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{take: func(line []byte) { got = append(got, string(line)) }}
	long := strings.Repeat("x", lineMax+100)
	for _, part := range []string{"a", "b\nc\n", "\n", long + "\n", "rest"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("wrote %d of %d: %v", n, len(part), err)
		}
	}
	if want := []string{"ab", "c", "", long[:lineMax]}; !slices.Equal(got, want) {
		t.Errorf("got %d lines: %.40q", len(got), got)
	}
}

func TestLastLinesAreKept(t *testing.T) {
	var l last
	for _, line := range []string{"1", " ", "2", "3", "4", "5", "6 \n"} {
		l.add(line)
	}
	if want := []string{"2", "3", "4", "5", "6"}; !slices.Equal(l, want) {
		t.Errorf("got %q", l)
	}
}

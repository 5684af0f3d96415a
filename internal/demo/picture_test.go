package demo

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
)

// scenes are moments of a demonstration, by name.
func scenes() map[string]scene {
	events := []event{
		{at: 120 * time.Millisecond, who: "fw1", words: "holds the addresses, epoch 3", loud: true},
		{at: 700 * time.Millisecond, who: "fw1", words: "fw2 has proven a copy of 1,004 flows"},
		{at: 2061 * time.Millisecond, words: "fw1 is killed with SIGKILL and all its cables are off", loud: true},
		{at: 2110 * time.Millisecond, who: "fw2", words: "a line that is so long that it would break the picture: " + strings.Repeat("x", 80)},
	}
	strip := make(columns, stripCols)
	for i := range strip {
		strip[i] = min(float64(i)/20, 1)
	}
	strip[60], strip[61] = 0, 0.01
	return map[string]scene{
		"start": {nodes: [2]nodeScene{{name: "fw1"}, {name: "fw2"}}, title: "building the test bed"},
		"cut": {
			at: 2600 * time.Millisecond, act: "1 of 2", title: "the active node loses its power",
			nodes: [2]nodeScene{
				{name: "fw1", off: true, role: "NO POWER", words: "killed, all cables off"},
				{name: "fw2", active: true, role: "ACTIVE, epoch 4", words: "1,229 flows, no standby"},
			},
			load: true, fault: true, flows: 1000, heard: 640, now: 48 * time.Millisecond,
			probe: 48 * time.Millisecond, tcp: 53 * time.Millisecond, ok: 89, again: 1, bits: 13.66e6,
			strip: strip, events: events,
		},
	}
}

// figures are results, by name.
func results() map[string]Figures {
	half := columns{1, 1, 1, 0, 0.02, 0.5, 1}
	good := Figures{
		Flows: 1000, Inject: "continuous", RTOMin: 5, TookMS: 5731,
		Calm: Phase{
			FlowsBefore: 1000, FlowsWentOn: 1000, ProbeSilenceMS: 3.3, TCPSilenceMS: 8.3, TCPDelayMS: 3,
			Requests: Requests{OK: 240, SlowestMS: 2.1}, PausedMS: 2,
		},
		PowerCut: Phase{
			FlowsBefore: 1000, FlowsWentOn: 1000, ProbeSilenceMS: 48, TCPSilenceMS: 55, TCPDelayMS: 61,
			ProbesInRow: 46, Requests: Requests{OK: 300, Again: 1, SlowestMS: 1029, Caught: 2, CaughtAgain: 1}, PausedMS: 3, TakeoverMS: 46, ProvenMS: 122,
			Answers: half, Heard: half,
		},
		Switch: Phase{
			FlowsBefore: 1000, FlowsWentOn: 1000, ProbeSilenceMS: 4.8, TCPSilenceMS: 9.5, TCPDelayMS: 4,
			ProbesInRow: 3, Requests: Requests{OK: 300, SlowestMS: 6.6}, PausedMS: 6.5, TakeoverMS: 1.4, Answers: half, Heard: half,
		},
	}
	good.conclude()
	bad := good
	bad.PowerCut.FlowsWentOn, bad.PowerCut.FlowsLost = 998, 2
	bad.PowerCut.LostReasons = []string{"flow 7 from 192.0.2.11: silent for 1500ms"}
	bad.Errors = []string{"fw2: flows could not be put into the kernel"}
	bad.conclude()
	cut := Figures{Flows: 1000, Inject: "takeover", RTOMin: 200, Calm: good.Calm, PowerCut: good.PowerCut}
	cut.conclude()
	return map[string]Figures{"good": good, "bad": bad, "cut": cut}
}

// TestPictures draws scenes and results as terminals of all kinds show them.
func TestPictures(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			k := ink{colours: d.HasArg("colours"), ascii: d.HasArg("ascii")}
			var name string
			d.ScanArgs(t, "of", &name)
			if d.Cmd == "result" {
				f := results()[name]
				return k.finish(resultText(&k, &f))
			}
			sc := scenes()[name]
			rows := screen(&k, &sc)
			wantFits(t, &k, rows)
			return k.finish(strings.Join(rows, "\n")) + "\n"
		})
	})
}

func wantFits(t *testing.T, k *ink, rows []string) {
	t.Helper()
	if len(rows) > screenRows {
		t.Errorf("%d rows; the terminal has %d", len(rows), screenRows)
	}
	for _, row := range rows {
		if n := utf8.RuneCountInString(row); n > screenCols && !k.colours {
			t.Errorf("%d columns; the terminal has %d: %s", n, screenCols, row)
		}
		for _, r := range k.finish(row) {
			if k.ascii && r > '~' {
				t.Errorf("%q is not ASCII in %s", r, row)
			}
		}
	}
}

func TestStrip(t *testing.T) {
	k := ink{}
	got := k.strip(columns{0, 0.001, 0.03, 0.5, 1, 2, -1})
	if got != "  ▁▄██ " {
		t.Errorf("got %q", got)
	}
}

func TestLiveReplacesItsPicture(t *testing.T) {
	var out strings.Builder
	l := live{out: &out}
	l.draw([]string{"a", "b"})
	l.draw([]string{"c"})
	l.draw(nil)
	want := "a\x1b[K\nb\x1b[K\n\x1b[J" + "\x1b[2A\rc\x1b[K\n\x1b[J" + "\x1b[1A\r\x1b[J"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{{"abc", 5, "abc  "}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöü", 3, "äöü"}, {"ab", 0, "…"}} {
		if got := fit(c.text, c.width); got != c.want {
			t.Error(fmt.Sprintf("fit(%q, %d)", c.text, c.width), got)
		}
	}
}

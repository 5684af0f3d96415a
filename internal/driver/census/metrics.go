package census

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// MetricsType is the media type of what WriteMetrics writes.
const MetricsType = "text/plain; version=0.0.4; charset=utf-8"

// metric is one metric made from a status. collect sends its values.
type metric struct {
	name, help, kind string
	labels           []string
	collect          func(s *Status, send func(value float64, labels ...string))
}

const (
	gauge   = "gauge"
	counter = "counter"
)

// WriteMetrics writes the metrics in the text format of Prometheus. Names are part of the
// interface, as the fields of Status are; units are seconds and bytes.
func WriteMetrics(to io.Writer, s *Status) error {
	w := bufio.NewWriter(to)
	for _, m := range metrics() {
		began := false
		m.collect(s, func(value float64, labels ...string) {
			if !began {
				began = true
				fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
			}
			w.WriteString(m.name)
			for i, label := range m.labels {
				w.WriteByte("{,"[min(i, 1)])
				fmt.Fprintf(w, "%s=\"%s\"", label, escape(labels[i]))
			}
			if len(m.labels) > 0 {
				w.WriteByte('}')
			}
			w.WriteByte(' ')
			w.WriteString(strconv.FormatFloat(value, 'g', -1, 64))
			w.WriteByte('\n')
		})
	}
	return w.Flush()
}

// escape makes a text a label's value: names of members and groups may have any character.
func escape(s string) string {
	return strings.NewReplacer("\\", "\\\\", "\n", "\\n", `"`, `\"`).Replace(strings.ToValidUTF8(s, "�"))
}

func metrics() []metric {
	return slices.Concat(groupMetrics(), serviceMetrics(), jobMetrics(), memberMetrics(), countMetrics())
}

// eachGroup makes a metric with one value for each group.
func eachGroup(name, help string, value func(*Group) float64) metric {
	return metric{name, help, gauge, []string{"group"}, func(s *Status, send func(float64, ...string)) {
		for i := range s.Groups {
			send(value(&s.Groups[i]), s.Groups[i].Name)
		}
	}}
}

func groupMetrics() []metric {
	return []metric{
		eachGroup("holdfast_group_survives", "How many members more may fail at once so that the group goes on.", func(g *Group) float64 { return float64(g.Survives) }),
		{"holdfast_group_verdict", "1 for the present verdict, 0 for the others.", gauge, []string{"group", "verdict"}, func(s *Status, send func(float64, ...string)) {
			for _, g := range s.Groups {
				for _, v := range []string{Whole, Degraded, Blocked, Stopped, Joining} {
					send(truth(g.Verdict == v), g.Name, v)
				}
			}
		}},
		{"holdfast_group_epoch", "The number of the present view; absent if there is none.", gauge, []string{"group"}, func(s *Status, send func(float64, ...string)) {
			for _, g := range s.Groups {
				if g.View != nil {
					send(float64(g.View.Epoch), g.Name)
				}
			}
		}},
		eachGroup("holdfast_group_members", "Members of the present view.", func(g *Group) float64 { return float64(len(g.Seats)) }),
		eachGroup("holdfast_group_votes", "Votes of the view that are heard.", func(g *Group) float64 { return float64(g.Votes) }),
		eachGroup("holdfast_group_votes_needed", "Votes that are needed to go on.", func(g *Group) float64 { return float64(g.Needed) }),
		eachGroup("holdfast_group_held", "Messages that are held back.", func(g *Group) float64 { return float64(g.HeldCount) }),
		eachGroup("holdfast_group_queued_bytes", "Bytes of own messages that wait to be sent.", func(g *Group) float64 { return float64(g.Queued) }),
		eachGroup("holdfast_group_throttled", "1 while the application does not ask for its events.", func(g *Group) float64 { return truth(g.Throttled) }),
		eachGroup("holdfast_group_change_seconds", "How long a change of the view goes on; 0 if there is none.", func(g *Group) float64 {
			if g.Change == nil {
				return 0
			}
			return g.Change.SinceMS / 1000
		}),
		eachGroup("holdfast_group_last_change_seconds", "How long the last change of the view took.", func(g *Group) float64 {
			if len(g.Views) == 0 {
				return 0
			}
			return g.Views[len(g.Views)-1].TookMS / 1000
		}),
		eachGroup("holdfast_group_state_received_bytes", "Bytes of the state that were received, while it is fetched.", func(g *Group) float64 { return float64(g.Received) }),
		eachGroup("holdfast_group_state_bytes", "Bytes of the state that is fetched; 0 if it is not known or none is.", func(g *Group) float64 { return float64(g.Total) }),
		{"holdfast_group_slow_seconds", "How long a member holds the messages of this one up; absent if nobody does.", gauge, []string{"group", "member"}, func(s *Status, send func(float64, ...string)) {
			for _, g := range s.Groups {
				if g.Slow != "" {
					send(g.SlowMS/1000, g.Name, g.Slow)
				}
			}
		}},
	}
}

// eachMember makes a metric with one value for each other member.
func eachMember(name, help string, value func(*Member) float64) metric {
	return metric{name, help, gauge, []string{"member"}, func(s *Status, send func(float64, ...string)) {
		for i := range s.Members {
			send(value(&s.Members[i]), s.Members[i].Name)
		}
	}}
}

func memberMetrics() []metric {
	return []metric{
		{"holdfast_member_info", "Always 1.", gauge, []string{"cluster", "member", "fingerprint"}, func(s *Status, send func(float64, ...string)) {
			send(1, s.Cluster, s.Member, s.Fingerprint)
		}},
		eachMember("holdfast_member_trusted", "1 where a member is heard and not suspected.", func(m *Member) float64 { return truth(m.State == Trusted) }),
		eachMember("holdfast_member_suspicion", "φ of the present silence: -log10 of the probability that the member is only late.", func(m *Member) float64 { return m.Suspicion }),
		eachMember("holdfast_member_silent_seconds", "Time since a member was heard.", func(m *Member) float64 { return m.SilentMS / 1000 }),
		eachMember("holdfast_member_refused", "1 where a member cannot be spoken with.", func(m *Member) float64 { return truth(m.Refused != "") }),
		{"holdfast_member_link_heard", "1 where a member is heard on a link.", gauge, []string{"member", "link"}, func(s *Status, send func(float64, ...string)) {
			for _, m := range s.Members {
				for i, l := range m.Links {
					send(truth(l.Heard), m.Name, strconv.Itoa(i+1))
				}
			}
		}},
	}
}

func countMetrics() []metric {
	return []metric{
		{"holdfast_group_events_total", "What happened to members and groups, by its name in the log.", counter, []string{"event"}, func(s *Status, send func(float64, ...string)) {
			for _, name := range slices.Sorted(maps.Keys(s.Counters)) {
				send(float64(s.Counters[name]), name)
			}
		}},
		{"holdfast_member_dropped_total", "Frames of a member that were not taken, by reason.", counter, []string{"member", "reason"}, func(s *Status, send func(float64, ...string)) {
			for _, m := range s.Members {
				for _, reason := range slices.Sorted(maps.Keys(m.Dropped)) {
					send(float64(m.Dropped[reason]), m.Name, reason)
				}
			}
		}},
		{"holdfast_member_link_refused_total", "Frames that were refused before it was known whose they are, by link and reason.", counter, []string{"link", "reason"}, func(s *Status, send func(float64, ...string)) {
			for _, r := range s.Refusals {
				if r.Count > 0 {
					send(float64(r.Count), strconv.Itoa(r.Link), r.Reason)
				}
			}
		}},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

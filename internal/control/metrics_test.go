package control

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	_, c := serve(t, &fakeNode{status: pair()})
	text, err := c.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, want := range []string{
		`holdfast_survives 1`,
		`holdfast_verdict{verdict="protected"} 1`,
		`holdfast_verdict{verdict="degraded"} 0`,
		`holdfast_role{role="active"} 1`,
		`holdfast_peer_proof{peer="fw2",state="proven"} 1`,
		`holdfast_peer_proof{peer="fw2",state="diverged"} 0`,
		`holdfast_peer_last_proven_seconds{peer="fw2"} 0.004`,
		`holdfast_link_heard{link="sync",peer="fw2"} 1`,
		`holdfast_dropped_total{reason="forged seal"} 3`,
		`# TYPE holdfast_dropped_total counter`,
		`holdfast_flows{kind="kernel"} 1010`,
		`holdfast_info{cluster="edge",fingerprint="ab46f3db",node="fw1",version="v1"} 1`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s in\n%s", want, text)
		}
	}
}

// TestMetricNames holds names to Prometheus' conventions.
func TestMetricNames(t *testing.T) {
	form := regexp.MustCompile(`^holdfast_[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for _, m := range metrics() {
		if !form.MatchString(m.name) || seen[m.name] {
			t.Errorf("%s is badly formed or there twice", m.name)
		}
		seen[m.name] = true
		if (m.kind == counter) != strings.HasSuffix(m.name, "_total") {
			t.Errorf("%s: counters, and only they, end in _total", m.name)
		}
		if !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: %q is no sentence", m.name, m.help)
		}
	}
}

func TestMetricsOfANodeThatFails(t *testing.T) {
	_, c := serve(t, &fakeNode{err: errEnough})
	if text, err := c.Metrics(t.Context()); err == nil {
		t.Errorf("metrics without a status:\n%s", text)
	}
}

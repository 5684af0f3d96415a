package call

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestOrphans: for each answer, what becomes of the calls of two clients. Call "c.l.n" is number n of life l of client c.
func TestOrphans(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer Answer
		steps  string
		want   string
	}{
		{"extermination stops what is named", Extermination,
			"start 1.1.1, start 1.1.2, start 2.1.1, born 1.2, name 1.1.2 1.1.9, start 1.1.9, start 1.2.1, start 1.1.3",
			"stop 1.1.2 (its client has named it after a restart); refused 1.1.9"},
		{"extermination forgets the names when it is told", Extermination,
			"name 1.1.9, forget 1, start 1.1.9", ""},
		{"a call is stopped once", Extermination,
			"start 1.1.1, name 1.1.1, name 1.1.1", "stop 1.1.1 (its client has named it after a restart)"},
		{"reincarnation stops all that is older", Reincarnation,
			"born 1.1, start 1.1.1, start 1.1.2, start 2.1.1, born 1.2, start 1.2.1, start 1.1.3",
			"stop 1.1.1 (its client has a new life); stop 1.1.2 (its client has a new life); refused 1.1.3"},
		{"an old life counts for nothing", Reincarnation,
			"born 1.3, start 1.3.1, born 1.2, born 1.3", ""},
		{"a name means nothing to reincarnation", Reincarnation,
			"start 1.1.1, name 1.1.1", ""},
		{"gentle reincarnation looks for the owner", Gentle,
			"start 1.1.1, start 1.1.2, start 1.1.3, start 2.1.1, born 1.2, found 1.1.1, missing 1.1.3, pass 2s",
			"ask 1.1.1; ask 1.1.2; ask 1.1.3; stop 1.1.3 (its owner was not found); stop 1.1.2 (its owner was not found)"},
		{"what comes late is looked for too", Gentle,
			"born 1.2, start 1.1.4, pass 1s, pass 1s", "ask 1.1.4; stop 1.1.4 (its owner was not found)"},
		{"nobody is missing who was not looked for", Gentle,
			"start 1.1.1, missing 1.1.1", ""},
		{"expiration: a quantum, and another if it is granted", Expiration,
			"start 1.1.1, start 1.1.2, pass 5s, found 1.1.1, pass 4s, pass 1s, born 1.2",
			"ask 1.1.1; ask 1.1.2; ask 1.1.2; ask 1.1.1; stop 1.1.2 (it was not granted another quantum)"},
		{"an end that is told is an end", Expiration,
			"start 1.1.1, done 1.1.1, pass 20s, found 1.1.1", ""},
		{"nobody waits after the deadline", Reincarnation,
			"until 1.1.1 3s, start 1.1.2, pass 2s, pass 1s, done 1.1.1, until 1.1.3 -1s",
			"stop 1.1.1 (its deadline has passed); refused 1.1.3"},
		{"what runs already does not run twice", Gentle,
			"start 1.1.1, start 1.1.1, done 1.1.1, start 1.1.1", "refused 1.1.1"},
	} {
		o, err := NewOrphans(OrphanConfig{Answer: c.answer})
		if err != nil {
			t.Fatal(err)
		}
		if got := tell(t, o, c.steps); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// tell plays steps and gives what came of it.
func tell(t *testing.T, o *Orphans, steps string) string {
	now := time.Unix(1e9, 0)
	var said []string
	for step := range strings.SplitSeq(steps, ", ") {
		var out OrphanOutput
		words := strings.Fields(step)
		var r Running
		name := func(s string) Running {
			var r Running
			if _, err := fmt.Sscanf(s+".0", "%d.%d.%d", &r.Client, &r.Life, &r.Number); err != nil && words[0] != "pass" && words[0] != "forget" {
				t.Fatal(step, err)
			}
			return r
		}
		r = name(words[1])
		d, _ := time.ParseDuration(words[len(words)-1])
		switch words[0] {
		case "until", "start":
			if words[0] == "until" {
				r.Deadline = now.Add(d)
			}
			if !o.Started(now, r) {
				said = append(said, "refused "+words[1])
			}
		case "done":
			o.Finished(r)
		case "born":
			o.Reborn(now, r.Owner, &out)
		case "name":
			var names []Running
			for _, w := range words[1:] {
				names = append(names, name(w))
			}
			o.Exterminate(names, &out)
		case "forget":
			o.Forget(1)
		case "found":
			o.Found(now, r)
		case "missing":
			o.Missing(r, &out)
		case "pass":
			now = now.Add(d)
			o.Tick(now, &out)
		}
		for _, a := range out.Ask {
			said = append(said, fmt.Sprintf("ask %d.%d.%d", a.Client, a.Life, a.Number))
		}
		for _, s := range out.Stop {
			said = append(said, fmt.Sprintf("stop %d.%d.%d (%v)", s.Client, s.Life, s.Number, s.Why))
		}
	}
	return strings.Join(said, "; ")
}

// TestOrphansDeadline: Tick is due when something is, and never otherwise.
func TestOrphansDeadline(t *testing.T) {
	o, err := NewOrphans(OrphanConfig{Answer: Expiration, Quantum: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	if !o.Deadline().IsZero() {
		t.Error("something is due for nobody")
	}
	call := Running{Owner: Owner{1, 1}, Number: 1}
	o.Started(now, call)
	var out OrphanOutput
	for range 100 {
		next := o.Deadline()
		if next.IsZero() {
			break
		}
		if !next.After(now) {
			t.Fatalf("due at %v, which was", next)
		}
		now = next
		o.Tick(now, &out)
	}
	if len(out.Stop) != 1 || now.Sub(time.Unix(1e9, 0)) != 4*time.Second || len(out.Ask) < 3 || len(out.Ask) > 20 {
		t.Errorf("after %v: stopped %v, asked %d times", now.Sub(time.Unix(1e9, 0)), out.Stop, len(out.Ask))
	}
	if !o.Deadline().IsZero() || o.Running() != 1 {
		t.Error("what is stopped and not finished is due again, or forgotten")
	}
}

// TestOrphansFull: bounds hold.
func TestOrphansFull(t *testing.T) {
	o, _ := NewOrphans(OrphanConfig{Answer: Extermination})
	var out OrphanOutput
	now := time.Unix(1e9, 0)
	for n := range uint64(runningMax + 10) {
		if got := o.Started(now, Running{Owner: Owner{1, 1}, Number: n}); got != (n < runningMax) {
			t.Fatalf("call %d: %v", n, got)
		}
		o.Exterminate([]Running{{Owner: Owner{2, 1}, Number: n}}, &out)
	}
	if len(o.doomed) != doomedMax {
		t.Errorf("%d are doomed", len(o.doomed))
	}
	for n := range uint64(livesMax + 10) {
		o.Reborn(now, Owner{n, 1}, &out)
	}
	if len(o.lives) != livesMax {
		t.Errorf("%d lives", len(o.lives))
	}
	for _, cfg := range []OrphanConfig{{}, {Answer: 5}, {Answer: Gentle, Locate: -1}, {Answer: Expiration, Quantum: -1}} {
		if _, err := NewOrphans(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

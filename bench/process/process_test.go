package process

import (
	"os/exec"
	"strings"
	"testing"
)

// here is this machine.
type here struct{}

func (here) Name() string            { return "here" }
func (here) Start(c *exec.Cmd) error { return c.Start() }

func TestItsLastLinesAreKept(t *testing.T) {
	p, err := Launch(here{}, t.TempDir(), nil, nil, "sh", "-c", "seq 20; echo odd >&2; exit 3")
	if err != nil {
		t.Skipf("needs a shell: %v", err)
	}
	<-p.Ended()
	if !p.Failed() {
		t.Error("it ended with 3 and has not failed")
	}
	if got := strings.Fields(p.LastLines()); len(got) != logLines || got[len(got)-1] != "odd" {
		t.Errorf("its last lines are %q", got)
	}
}

func TestAKilledProcessHasEnded(t *testing.T) {
	p, err := Launch(here{}, t.TempDir(), nil, nil, "sleep", "60")
	if err != nil {
		t.Skipf("needs sleep: %v", err)
	}
	if p.Failed() {
		t.Error("it runs and has failed")
	}
	p.Kill()
	if !p.Failed() {
		t.Error("it was killed and has not failed")
	}
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	_, err := Launch(here{}, t.TempDir(), nil, nil, "holdfast-no-such-program")
	if err == nil || !strings.Contains(err.Error(), "holdfast-no-such-program on here") {
		t.Errorf("the error is %v", err)
	}
}

package usage

import (
	"os"
	"os/exec"
	"testing"
)

func TestUseOfThisProcessGrows(t *testing.T) {
	before, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.CPU <= 0 || before.Resident <= 0 || before.Anonymous <= 0 || before.Anonymous > before.Resident {
		t.Errorf("this process has used %+v", before)
	}
	kept := make([]byte, 64<<20)
	for i := range kept {
		kept[i] = byte(i)
	}
	after, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	grew := after.Since(before)
	if grew.CPU <= 0 || grew.Anonymous < int64(len(kept))/2 {
		t.Errorf("writing %d bytes used %+v", len(kept), grew)
	}
	if kept[1] != 1 {
		t.Error("what was written is not there") // and it is kept until here
	}
}

func TestWhatHasEndedUsesNothing(t *testing.T) {
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Skipf("needs the program true: %v", err)
	}
	u, err := Of(c.Process.Pid)
	if err != nil || u != (Use{}) {
		t.Errorf("a process that has ended uses %+v, %v", u, err)
	}
}

package driver

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTheAlarmRingsAtTheSoonestTime(t *testing.T) {
	var a alarm
	fd, err := a.open()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	began := time.Now()
	a.set(began, began.Add(time.Hour))
	a.set(began, began.Add(3*time.Millisecond))
	a.set(began, began.Add(time.Minute))
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 10_000); err != nil || n != 1 {
		t.Fatalf("poll: %d, %v", n, err)
	}
	if took := time.Since(began); took < 3*time.Millisecond {
		t.Errorf("it rang after %v", took)
	}
	a.rang()
	a.set(began, began) // has passed
	if n, err := unix.Poll(poll, 10_000); err != nil || n != 1 {
		t.Errorf("poll: %d, %v: a time that has passed must ring", n, err)
	}
	a.stop()
	a.set(began, began.Add(time.Second)) // harmless
}

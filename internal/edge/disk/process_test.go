package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// roleVariable tells the test's program to be one of the processes below, in the
// directory that pathVariable names.
const (
	roleVariable = "HOLDFAST_DISK_TEST_ROLE"
	pathVariable = "HOLDFAST_DISK_TEST_PATH"
)

// play is another process of a test.
func play(role string) int {
	path := os.Getenv(pathVariable)
	var err error
	switch role {
	case "append":
		err = appendForEver(path)
	case "full":
		err = fillDisk(path)
	default:
		err = fmt.Errorf("no such role: %s", role)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func player(role, path string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role, pathVariable+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// appendForEver appends and takes snapshots, and prints each index that is durable.
func appendForEver(path string) error {
	var s tape
	l, found, err := Open(config(path), &s)
	if err != nil {
		return err
	}
	for next := found.Last + 1; ; {
		for range 1 + rand.IntN(20) {
			if _, err := l.Append(record(next)); err != nil && !errors.Is(err, journal.ErrFull) {
				return err
			} else if err == nil {
				next++
			}
		}
		if next%50 == 0 {
			if err := l.Snapshot(next-1, &zeros{left: rand.IntN(3 << 20)}); err != nil && !errors.Is(err, journal.ErrBusy) {
				return err
			}
		}
		c, err := ready(l)
		if err != nil || c.Err != nil {
			return errors.Join(err, c.Err)
		}
		if _, err := fmt.Println(c.Durable); err != nil {
			return err
		}
	}
}

// zeros is so many zeros.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

// TestKilledProcessLosesNothingDurable kills a process that appends, again and again, in one
// directory.
func TestKilledProcessLosesNothingDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	acked := uint64(0)
	for round := range 15 {
		cmd := player("append", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := 1 + rand.IntN(60); lines.Scan(); left-- {
			n, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(lines.Text())
			}
			acked = n
			if left == 0 {
				_ = cmd.Process.Signal(syscall.SIGKILL)
			}
		}
		_ = cmd.Wait()
		l, found, s := must(t, config(path))
		if found.Last < acked {
			t.Fatalf("round %d: record %d was told durable, and the journal ends with %d: %v", round, acked, found.Last, found.Cut)
		}
		s.check(t, found.Snapshot+1, found.Last)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: told %d, found %d after snapshot %d, %v", round, acked, found.Last, found.Snapshot, found.Cut)
		acked = found.Last
	}
}

// TestFullDiskIsTheEnd fills a small filesystem in a mount namespace of its own.
func TestFullDiskIsTheEnd(t *testing.T) {
	cmd := player("full", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.Output()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC) { // so many namespaces
		if os.Getenv("CI") == "true" {
			t.Fatal("no mount namespace can be made, and CI must skip nothing:", err)
		}
		t.Skip("no mount namespace can be made; run sudo -E go test ./internal/edge/disk:", err)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

// fillDisk is the process with the small filesystem.
func fillDisk(path string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	for _, full := range []string{"segments", "snapshot"} {
		c := config(filepath.Join(path, full))
		l, _, err := Open(c, &tape{})
		if err != nil {
			return err
		}
		if full == "snapshot" {
			if last, err := l.Append(record(1)); err != nil || last != 1 {
				return err
			}
			if err := l.Snapshot(1, &zeros{left: 2 << 20}); err != nil {
				return err
			}
		}
		acked, err := untilEnd(l, full == "segments")
		if !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("%s: the log ended with %w, not with a full disk", full, err)
		}
		if err := l.Close(); !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("closing says %w", err)
		}
		// With some room the journal goes on where it was.
		if err := unix.Mount("", path, "", unix.MS_REMOUNT, "size=2m"); err != nil {
			return err
		}
		l, found, err := Open(c, &tape{})
		if err != nil || found.Last < acked {
			return fmt.Errorf("%d was told durable, %d came back: %w", acked, found.Last, err)
		}
		if _, err := l.Append(record(1)); err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
		fmt.Printf("%s: told %d durable, then: no space; found %d. ", full, acked, found.Last)
		if err := os.RemoveAll(c.Path); err != nil {
			return err
		}
		if err := unix.Mount("", path, "", unix.MS_REMOUNT, "size=1m"); err != nil {
			return err
		}
	}
	return nil
}

// untilEnd waits for the end of a log, and appends until then.
func untilEnd(l *Log, appending bool) (acked uint64, err error) {
	begin := time.Now()
	for i := uint64(1); time.Since(begin) < time.Minute; i++ {
		if appending {
			if _, err := l.Append(record(i)); err != nil && !errors.Is(err, journal.ErrFailed) {
				return acked, err
			}
		}
		c, err := ready(l)
		if err != nil || c.Err != nil {
			return c.Durable, errors.Join(err, c.Err)
		}
		acked = c.Durable
	}
	return acked, errors.New("the log does not end")
}

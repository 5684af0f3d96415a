package locks_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	judges "github.com/holdfast-ha/holdfast/check/service"
)

// diskSize is the size of each member's disk: room for two segments and two snapshots of each of two services, and
// soon full.
const diskSize = 128 << 20

// disks are what the members of a durable world keep their services on: file systems of their own, in memory, in a mount
// namespace of their own. They outlive the members; what this machine has of a file outlives kill -9 of all. (What a disk
// loses with its power is the simulator's.)
type disks struct {
	durable   bool
	holder    *process
	unshare   uintptr                  // what the next process does not share, as in clone(2)
	backAt    map[string]time.Duration // when a member that is down may come back
	weak      string                   // whose disk was lost or damaged and may not have all again; "": nobody's
	weakUntil time.Duration
	callers   []*process
	cellFacts []judges.Fact
	waits     []time.Duration
}

// holdDisks mounts disks for all members, and keeps them until its input ends.
func holdDisks(s *settings) error {
	for _, name := range s.Locks {
		path := filepath.Join(s.Data, "disk-"+name)
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		if err := unix.Mount("disk", path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskSize)); err != nil {
			return fmt.Errorf("mount a disk at %s: %w", path, err)
		}
	}
	h, err := openHistory(s.History)
	if err != nil {
		return err
	}
	h.add(record{At: now(), Kind: "serving"})
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// openDisks starts who holds the disks.
func (w *world) openDisks() {
	w.Helper()
	w.durable = true
	w.unshare = syscall.CLONE_NEWNS
	w.holder = w.start(w.names[0], "disks", settings{Data: w.dir, Locks: w.names})
	w.unshare = 0
	w.await("disks mounted", func() bool {
		records, err := readHistory(w.holder.settings.History)
		w.must(err)
		if w.holder.isGone() {
			w.Fatalf("no disks: %s", w.holder.output.String())
		}
		return len(records) > 0
	})
	for _, name := range w.names {
		w.must(os.Mkdir(w.disk(name, "kept"), 0o700))
	}
}

// disk is a path on a member's disk: by way of its holder's namespace, where alone it is mounted.
func (w *world) disk(name, file string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", w.holder.cmd.Process.Pid), w.dir, "disk-"+name, file)
}

// fill leaves no room on a member's disk.
func (w *world) fill(name string) {
	w.Helper()
	f, err := os.Create(w.disk(name, "filler"))
	w.must(err)
	defer f.Close()
	for _, size := range []int{1 << 20, 4096} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			w.must(err)
		}
	}
	w.members[name].doomed = "is full: make room there, at least 64 MiB, and start again; nothing that a client was told is lost"
}

// clear makes room.
func (w *world) clear(name string) {
	if err := os.Remove(w.disk(name, "filler")); !errors.Is(err, os.ErrNotExist) {
		w.must(err)
	}
}

// breakSyncs has every sync of a running member fail from now on: strace stands between it and the kernel, and answers
// for the kernel. No file system that can be had in a test fails this way; a device that does (device-mapper) needs a
// module that machines for tests do not have.
func (w *world) breakSyncs(name string) {
	w.Helper()
	w.tamper(name, "fdatasync,fsync", "error=EIO")
	w.members[name].doomed = "input/output error"
}

// slowWrites has everything that a running member writes to its disk come there a tenth of a second later: when it is
// killed meanwhile, it never comes there.
func (w *world) slowWrites(name string) {
	w.Helper()
	w.tamper(name, "pwrite64", "delay_enter=100000")
}

// tamper has strace stand between a member and the kernel, until the member ends.
func (w *world) tamper(name, calls, how string) {
	w.Helper()
	s := exec.Command("strace", "-f", "-qq", "-p", fmt.Sprint(w.members[name].cmd.Process.Pid), "-o", "/dev/null",
		"-e", "trace="+calls, "-e", "inject="+calls+":"+how)
	s.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	w.must(s.Start())
	go func() { _ = s.Wait() }()
	w.members[name].tampered = true
}

// newest is the last file of a member's log of the cells: what was before may be covered by a snapshot, so that nobody
// reads it any more. "" if it has fewer bytes.
func (w *world) newest(name string, least int) string {
	w.Helper()
	all, err := filepath.Glob(w.disk(name, "kept/cells/segment-*"))
	w.must(err)
	all = slices.DeleteFunc(all, func(path string) bool { return strings.HasSuffix(path, ".new") })
	if len(all) == 0 || len(w.content(slices.Max(all))) < least {
		return ""
	}
	return slices.Max(all) // by era and index
}

// content is a segment without the zeros at its end.
func (w *world) content(path string) []byte {
	b, err := os.ReadFile(path)
	w.must(err)
	return bytes.TrimRight(b, "\x00")
}

// patch changes bytes of a file.
func (w *world) patch(path string, at int, change func(b []byte)) {
	w.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	w.must(err)
	b := make([]byte, 8)
	_, err = f.ReadAt(b, int64(at))
	w.must(err)
	change(b)
	_, err = f.WriteAt(b, int64(at))
	w.must(errors.Join(err, f.Close()))
}

// damage flips a bit in the log of a member that is down, in the middle of what the log itself says was durable: what is
// behind it looks like a write that was interrupted, and may be one. It gives the file; "" if there is none that is long enough.
func (w *world) damage(name string) string {
	w.Helper()
	path := w.newest(name, 8192)
	if path == "" {
		return ""
	}
	ends := durableFrames(w.content(path))
	if len(ends) == 0 {
		return ""
	}
	w.patch(path, ends[len(ends)/2]-8, func(b []byte) { b[0] ^= 1 })
	return path
}

// durableFrames gives where the frames of a segment end of which a later one says that they are durable (RFC 0014, section 3).
func durableFrames(b []byte) (ends []int) {
	const head, frame = 48, 28
	var durable, last uint64
	index := make([]uint64, 0, 64)
	for at := head; at+frame <= len(b); {
		size := (frame + int(binary.BigEndian.Uint32(b[at:])&0xffffff) + 3) / 4 * 4
		n := binary.BigEndian.Uint64(b[at+8:])
		if at+size > len(b) || b[at] != 1 && b[at] != 2 || last != 0 && n != last+uint64(2-b[at]) {
			break
		}
		durable, last = max(durable, n-uint64(binary.BigEndian.Uint32(b[at+4:]))), n
		at += size
		index, ends = append(index, n), append(ends, at)
	}
	for len(ends) > 0 && index[len(ends)-1] > durable {
		ends = ends[:len(ends)-1]
	}
	return ends
}

// tear puts behind the last record of a member's log what a write that was interrupted may leave.
func (w *world) tear(name string) string {
	w.Helper()
	path := w.newest(name, 512)
	if path != "" {
		w.patch(path, (len(w.content(path))+3)/4*4, func(b []byte) { copy(b, "\x01\x00\x01\x00torn") })
	}
	return path
}

// lose takes away everything that a member has kept.
func (w *world) lose(name string) {
	w.Helper()
	w.must(os.RemoveAll(w.disk(name, "kept")))
	w.must(os.Mkdir(w.disk(name, "kept"), 0o700))
}

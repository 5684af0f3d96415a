package ctnetlink

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCheck(t *testing.T) {
	namespace(t)
	for _, c := range []struct{ before, failure string }{
		{"1", ""},
		{"2", ""},
		{"0", "nf_conntrack_events is 0: the kernel tells nobody of changes; do: sysctl -w net.netfilter.nf_conntrack_events=1"},
	} {
		if err := os.WriteFile(eventsSysctl, []byte(c.before), 0); err != nil {
			t.Fatal(err)
		}
		warnings, err := Check()
		if len(warnings) != 0 {
			t.Errorf("%s: warnings %q", c.before, warnings)
		}
		if err == nil && c.failure != "" || err != nil && (c.failure == "" || !strings.Contains(err.Error(), c.failure)) {
			t.Errorf("%s: %v", c.before, err)
		}
		if after, _ := os.ReadFile(eventsSysctl); c.failure == "" && string(after) != "1\n" {
			t.Errorf("%s: is %q afterwards", c.before, after)
		}
	}
}

func TestCheckNamesTheMissingCapability(t *testing.T) {
	namespace(t)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		t.Fatal(err)
	}
	sets[0].Effective &^= 1 << unix.CAP_NET_ADMIN // of this thread, which the test keeps
	if err := unix.Capset(&header, &sets[0]); err != nil {
		t.Fatal(err)
	}
	_, err := Check()
	var op *OpError
	if !errors.As(err, &op) || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("%v", err)
	}
}

func TestCheckOfKernelsAndSystems(t *testing.T) {
	if _, err := checkEvents("/proc/sys/net/netfilter/no_such_setting"); err == nil || !strings.Contains(err.Error(), "CONFIG_NF_CONNTRACK_EVENTS") {
		t.Errorf("no such setting: %v", err)
	}
	// A container whose /proc/sys cannot be written.
	fd, err := unix.MemfdCreate("setting", unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("2\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	warning, err := checkEvents(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil || !strings.HasPrefix(warning, "nf_conntrack_events is 2 and could not be set to 1") {
		t.Errorf("%q, %v", warning, err)
	}
	if w := checkRoom(90, 100); w != "" {
		t.Error(w)
	}
	if w := checkRoom(4000000000, 4000000001); !strings.Contains(w, "nf_conntrack_max=8000000002") {
		t.Error(w)
	}
}

package ctnetlink

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// eventsSysctl is of the reading thread's network namespace.
const eventsSysctl = "/proc/sys/net/netfilter/nf_conntrack_events"

// Check says whether flows can be replicated from and to the calling thread's network
// namespace: the connection tracker is there and reachable, this process may use it,
// and it tells of changes. The error names what is wrong and the remedy; warnings name
// what will work less well than it could.
//
// nf_conntrack_events must be 1. With 2 ("auto", the kernel's default) an entry made
// while nobody listens never has events; Check then sets it to 1 and warns if it may
// not. Other settings, among them nf_conntrack_acct, do not matter.
func Check() (warnings []string, err error) {
	const op = "check"
	entries, limit, err := reach()
	if err != nil {
		return nil, opError(op, err)
	}
	warning, err := checkEvents(eventsSysctl)
	if err != nil {
		return nil, opError(op, err)
	}
	if warning != "" {
		warnings = append(warnings, warning)
	}
	if warning := checkRoom(entries, limit); warning != "" {
		warnings = append(warnings, warning)
	}
	return warnings, nil
}

// checkRoom warns when less than a tenth of the table is free: a new primary must have
// room for what it takes over.
func checkRoom(entries, limit uint32) string {
	if limit == 0 || uint64(entries)*10 <= uint64(limit)*9 {
		return ""
	}
	return fmt.Sprintf("the connection tracker has %d entries of at most %d: new connections will soon be refused; "+
		"raise the limit: sysctl -w net.netfilter.nf_conntrack_max=%d", entries, limit, 2*uint64(limit))
}

// reach asks the connection tracker something simple.
func reach() (entries, limit uint32, err error) {
	t, err := OpenTable(TableConfig{})
	if err == nil {
		entries, limit, err = t.Count()
		t.Close()
	}
	switch {
	case err == nil:
		return entries, limit, nil
	case errors.Is(err, unix.EPERM):
		return 0, 0, fmt.Errorf("this process may not use the connection tracker: it needs the capability CAP_NET_ADMIN; "+
			"run it as root, or in its systemd unit say AmbientCapabilities=CAP_NET_ADMIN (%w)", err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return 0, 0, fmt.Errorf("this kernel has no netfilter netlink; load it: modprobe nfnetlink (%w)", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return 0, 0, fmt.Errorf("the connection tracker does not answer over netlink; load it: "+
			"modprobe nf_conntrack_netlink (%w)", err)
	}
	return 0, 0, err
}

func checkEvents(sysctl string) (warning string, err error) {
	const remedy = "sysctl -w net.netfilter.nf_conntrack_events=1"
	b, err := os.ReadFile(sysctl)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s does not exist: this kernel was built without CONFIG_NF_CONNTRACK_EVENTS "+
			"and cannot tell of changes; use another kernel", sysctl)
	}
	if err != nil {
		return "", err
	}
	switch value := strings.TrimSpace(string(b)); value {
	case "1":
		return "", nil
	case "0":
		return "", fmt.Errorf("nf_conntrack_events is 0: the kernel tells nobody of changes; do: %s", remedy)
	default:
		if os.WriteFile(sysctl, []byte("1\n"), 0) == nil {
			return "", nil
		}
		return fmt.Sprintf("nf_conntrack_events is %s and could not be set to 1: connections that begin while this program "+
			"is not running will not be replicated, nor will their end be noticed; do: %s", value, remedy), nil
	}
}

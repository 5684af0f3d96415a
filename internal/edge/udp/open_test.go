package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestOpenRefuses(t *testing.T) {
	r := testRing(t, 1)
	taken := addressesOf.next()
	tap(t, taken)
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []string // what the message must say
		is     error
	}{
		{"no life", func(c *Config) { c.Self.Incarnation = 0 }, []string{"m1#0", "incarnation"}, nil},
		{"no key", func(c *Config) { c.Keys = nil }, []string{"holdfast key new", "insecure = true"}, nil},
		{"key and insecure", func(c *Config) { c.Insecure = true }, []string{"insecure = true", "remove one"}, nil},
		{"no link", func(c *Config) { c.Links = nil }, []string{"0 links"}, nil},
		{"too many links", func(c *Config) { c.Links = make([]Link, seal.LinkMax+1) }, []string{"9 links", "1 to 8"}, nil},
		{"negative buffer", func(c *Config) { c.ReceiveBuffer = -1 }, []string{"-1"}, nil},
		{"no address", func(c *Config) { c.Links[0].Local = netip.AddrPort{} }, []string{`link 1 ("sync")`, "missing"}, nil},
		{"any address", func(c *Config) { c.Links[0].Local = netip.MustParseAddrPort("0.0.0.0:9") }, []string{"0.0.0.0:9", "one host"}, nil},
		{"no port", func(c *Config) { c.Links[0].Local = netip.MustParseAddrPort("127.0.0.1:0") }, []string{"no port"}, nil},
		{"mapped", func(c *Config) { c.Links[0].Local = netip.MustParseAddrPort("[::ffff:127.0.0.1]:9") }, []string{"write 127.0.0.1:9"}, nil},
		{"nobody else", func(c *Config) { c.Links[0].Peers = nil }, []string{`link 1 ("sync")`, "no other member"}, nil},
		{"itself", func(c *Config) { c.Links[0].Peers[1] = taken }, []string{"m1 is named as another member"}, nil},
		{"own address", func(c *Config) { c.Links[0].Peers[2] = c.Links[0].Local }, []string{"own address", "m2"}, nil},
		{"two families", func(c *Config) { c.Links[0].Peers[2] = netip.MustParseAddrPort("[::1]:9") }, []string{"[::1]:9", "both must be IPv4"}, nil},
		{"same address twice", func(c *Config) { c.Links[1].Local = c.Links[0].Local }, []string{`link 1 ("sync") and link 2`}, nil},
		{"too many members", func(c *Config) {
			for i := range link.PeerMax + 1 {
				c.Links[0].Peers[view.ID(i+2)] = taken
			}
		}, []string{"65 other members", "at most 64"}, nil},
		{"address of another host", func(c *Config) { c.Links[1].Local = netip.MustParseAddrPort("192.0.2.7:9") },
			[]string{"link 2", "192.0.2.7 is not on this host", "127.0.0.1 (lo)", "ip address add"}, unix.EADDRNOTAVAIL},
		{"port in use", func(c *Config) { c.Links[0].Local = taken },
			[]string{fmt.Sprintf("port %d of %v is in use", taken.Port(), taken.Addr()), "ss -lunp"}, unix.EADDRINUSE},
		{"no interface", func(c *Config) { c.Links[0].Interface = "eth77" }, []string{`interface "eth77" does not exist`, "interfaces: ", "lo"}, nil},
		{"not on that interface", func(c *Config) { c.Links[0].Interface = "lo" }, []string{`interface "lo" does not have the address 127.`, "127.0.0.1"}, nil},
		{"link-local without interface", func(c *Config) {
			c.Links[0].Local = netip.MustParseAddrPort("[fe80::1]:9")
			c.Links[0].Peers[2] = netip.MustParseAddrPort("[fe80::2]:9")
		}, []string{"fe80::1", "name its interface", "%eth0"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, _ := configs(2, r)
			config.Links[0].Label = "sync"
			c.change(&config)
			tr, err := Open(config)
			if err == nil {
				tr.Close()
				t.Fatal("it was opened")
			}
			var op *OpError
			if !errors.As(err, &op) || op.Op != "open" {
				t.Errorf("the error is %T", err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			for _, words := range c.want {
				if message := op.Err.Error(); !strings.Contains(message, words) {
					t.Errorf("the message does not say %q: %s", words, message)
				}
			}
		})
	}
}

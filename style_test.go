package holdfast_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/service/lock"
)

func TestStylesHaveText(t *testing.T) {
	for _, s := range []holdfast.Style{holdfast.Active, holdfast.Passive, holdfast.Voted, holdfast.Pair, holdfast.Checkpointed} {
		b, err := json.Marshal(map[string]holdfast.Style{"style": s})
		if err != nil || string(b) != `{"style":"`+s.String()+`"}` {
			t.Errorf("%v is written %s, %v", s, b, err)
		}
		var back map[string]holdfast.Style
		if err := json.Unmarshal(b, &back); err != nil || back["style"] != s {
			t.Errorf("%s is read as %v, %v", b, back, err)
		}
	}
	var s holdfast.Style
	if err := s.UnmarshalText([]byte("actve")); err == nil || !strings.Contains(err.Error(), `"actve"`) {
		t.Errorf("a style that there is not gives %v", err)
	}
	if b, err := holdfast.Style(99).MarshalText(); err == nil || holdfast.Style(99).String() != "style 99" {
		t.Errorf("style 99 is written %s", b)
	}
}

// equal compares replies to nothing.
type equal struct{}

func (equal) Same(a, b []byte) bool                     { return bytes.Equal(a, b) }
func (equal) Choose(dst []byte, bodies [][]byte) []byte { return append(dst, bodies[0]...) }

func TestStylesThatCannotBeAreRefused(t *testing.T) {
	c := cluster("a", "b", "w")
	c.Witnesses = []string{"w"}
	n, w := open(t, c, "a"), open(t, c, "w")
	folder := t.TempDir()
	for _, x := range []struct {
		name string
		cfg  holdfast.ServiceConfig
		want string
	}{
		{"pair", holdfast.ServiceConfig{Style: holdfast.Pair, Voters: 2}, "which has no vote"},
		{"checkpointed", holdfast.ServiceConfig{Style: holdfast.Checkpointed}, "there is no Data"},
		{"unknown", holdfast.ServiceConfig{Style: 99}, "no style 99"},
		{"voters of another style", holdfast.ServiceConfig{Voters: 3}, "leave it 0"},
		{"comparer of another style", holdfast.ServiceConfig{Style: holdfast.Passive, Comparer: equal{}}, "leave it nil"},
		{"one voter", holdfast.ServiceConfig{Style: holdfast.Voted, Voters: 1}, "one is no vote"},
		{"too many voters", holdfast.ServiceConfig{Style: holdfast.Voted, Voters: 3}, "2 members have the state"},
		{"two without a word", holdfast.ServiceConfig{Style: holdfast.Voted}, "set Voters to 2"},
		{"compared on disks", holdfast.ServiceConfig{Style: holdfast.Voted, Voters: 2, Comparer: equal{}, Data: folder}, "leave one of the two out"},
	} {
		x.cfg.Name, x.cfg.Service, x.cfg.Socket = "counter", &counter{}, filepath.Join(folder, "sock")
		var e *holdfast.Error
		if _, err := n.Serve(x.cfg); !errors.As(err, &e) || e.Kind != holdfast.Invalid || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: the error is %v, which does not say %q", x.name, err, x.want)
		}
		if _, err := w.Join(within(t), holdfast.GroupConfig{Name: "counter", Service: &x.cfg}); !errors.As(err, &e) || e.Kind != holdfast.Invalid {
			t.Errorf("%s: the witness's error is %v", x.name, err)
		}
	}
	if _, err := w.Serve(holdfast.ServiceConfig{Name: "counter", Service: &counter{}, Socket: filepath.Join(folder, "sock")}); err == nil || !strings.Contains(err.Error(), "witness") {
		t.Errorf("a witness that serves gets %v", err)
	}
	if _, err := n.Join(within(t), holdfast.GroupConfig{Name: "counter", Service: &holdfast.ServiceConfig{}}); err == nil || !strings.Contains(err.Error(), "call Serve") {
		t.Errorf("a member that joins a service's group gets %v", err)
	}
}

// TestOtherStylesAreRefusedByName: two members and a witness have one style, and a third member another: it is not let
// in, and both say why.
func TestOtherStylesAreRefusedByName(t *testing.T) {
	c := cluster("a", "b", "c", "w")
	c.Witnesses = []string{"w"}
	folder := t.TempDir()
	config := func(name string, s holdfast.Style) holdfast.ServiceConfig {
		return holdfast.ServiceConfig{Name: "counter", Service: &counter{}, Socket: filepath.Join(folder, name), Style: s}
	}
	// All are there from the beginning: the founders must not take it in, either.
	other := open(t, c, "c")
	s, err := other.Serve(config("c", holdfast.Active))
	if err != nil {
		t.Fatal(err)
	}
	a, b := open(t, c, "a"), open(t, c, "b")
	for name, n := range map[string]*holdfast.Node{"a": a, "b": b} {
		if _, err := n.Serve(config(name, holdfast.Passive)); err != nil {
			t.Fatal(err)
		}
	}
	passive := config("w", holdfast.Passive)
	if _, err := open(t, c, "w").Join(within(t), holdfast.GroupConfig{Name: "counter", Service: &passive}); err != nil {
		t.Fatal(err)
	}
	expect(t, says(t, s.Ready, `the group is "style=passive", and here "style=active"; make them equal`), holdfast.Waiting)
	var status bytes.Buffer
	if err := other.Status(&status); err != nil || !strings.Contains(status.String(), `style=passive`) || !strings.Contains(status.String(), `style=active`) {
		t.Errorf("its status is %s, %v", status.String(), err)
	}
	says(t, func(context.Context) error {
		var said bytes.Buffer
		return errors.Join(a.Status(&said), errors.New(said.String()))
	}, `there the group is \"style=active\", and here \"style=passive\"; make them equal`)
	k, err := client.Dial(client.Config{Servers: []string{filepath.Join(folder, "a"), filepath.Join(folder, "b")}})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(within(t))
	if _, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil {
		t.Errorf("the others do not serve: %v", err)
	}
}

// FuzzStyle holds that what is read as a style is written as it was, and what is not leaves none.
func FuzzStyle(f *testing.F) {
	for _, seed := range []string{"active", "passive", "voted", "pair", "checkpointed", "", "Active"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := holdfast.Style(42)
		if err := s.UnmarshalText(text); err != nil {
			if s != 42 {
				t.Errorf("%q is no style, and has become %v", text, s)
			}
			return
		}
		if b, err := s.MarshalText(); err != nil || !bytes.Equal(b, text) {
			t.Errorf("%q is written %q, %v", text, b, err)
		}
	})
}

// BenchmarkCall is a call of each style, in memory and on disks, of one client and of sixteen: three members in this process,
// over loopback, of which one that is not the primary is asked.
func BenchmarkCall(b *testing.B) {
	for _, style := range []holdfast.Style{holdfast.Active, holdfast.Passive, holdfast.Voted} {
		for _, disks := range []bool{false, true} {
			for _, clients := range []int{1, 16} {
				name := fmt.Sprintf("style=%v/disks=%v/clients=%d", style, disks, clients)
				b.Run(name, func(b *testing.B) { call(b, style, disks, clients) })
			}
		}
	}
}

func call(b *testing.B, style holdfast.Style, disks bool, clients int) {
	c, folder := cluster("a", "b", "c"), b.TempDir()
	var services []*holdfast.Service
	for _, name := range []string{"a", "b", "c"} {
		cfg := holdfast.ServiceConfig{Name: "counter", Service: &counter{}, Socket: filepath.Join(folder, name+".sock"), Style: style}
		if disks {
			cfg.Data = filepath.Join(folder, name)
		}
		s, err := open(b, c, name).Serve(cfg)
		if err != nil {
			b.Fatal(err)
		}
		services = append(services, s)
	}
	for _, s := range services {
		if err := s.Ready(within(b)); err != nil {
			b.Fatal(err)
		}
	}
	var at atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range clients {
		all.Go(func() {
			k, err := client.Dial(client.Config{Servers: []string{filepath.Join(folder, "c.sock")}})
			if err != nil {
				b.Error(err)
				return
			}
			defer k.Close(context.Background())
			for at.Add(1) <= int64(b.N) {
				if _, err := k.Call(context.Background(), client.ExactlyOnce, nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestSettingsOfAServiceAreAgreed: what a service wants to be alike is asked of a member before it is given the state, also of a
// witness.
func TestSettingsOfAServiceAreAgreed(t *testing.T) {
	c := cluster("a", "b", "w")
	c.Witnesses = []string{"w"}
	folder := t.TempDir()
	config := func(name string, cfg lock.Config) holdfast.ServiceConfig {
		service, err := lock.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return holdfast.ServiceConfig{Name: "locks", Service: service, Socket: filepath.Join(folder, name)}
	}
	witness := config("w", lock.Config{Order: lock.Loose})
	service, err := open(t, c, "a").Serve(config("a", lock.Config{Order: lock.Loose}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, c, "w").Join(within(t), holdfast.GroupConfig{Name: "locks", Service: &witness}); err != nil {
		t.Fatal(err)
	}
	if err := service.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	other, err := open(t, c, "b").Serve(config("b", lock.Config{LeaseMost: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	says(t, other.Ready, `the group is "order=loose", and here "order=strict lease_max=1s"; make them equal`)
}

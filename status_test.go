package holdfast_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
)

// told is what a node's status says of a service.
type told struct {
	Groups []struct {
		Verdict string   `json:"verdict"`
		Why     []string `json:"why"`
		Action  string   `json:"action"`
		Service *struct {
			Role    string `json:"role"`
			Index   uint64 `json:"index"`
			Lives   int    `json:"lives"`
			Told    bool   `json:"told"`
			Damaged bool   `json:"damaged"`
			Members []struct {
				Name  string `json:"name"`
				Proof string `json:"proof"`
			} `json:"members"`
		} `json:"service"`
	} `json:"groups"`
}

// awaitStatus waits until the status of a node is as it should be.
func awaitStatus(t *testing.T, n *holdfast.Node, what string, is func(s *told) bool) {
	t.Helper()
	var b bytes.Buffer
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		b.Reset()
		var s told
		if err := n.Status(&b); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Groups) == 1 && s.Groups[0].Service != nil && is(&s) {
			return
		}
	}
	t.Fatalf("the status does not come to say that %s: %s", what, b.String())
}

// TestStatusTellsWhatWouldSurviveInEveryStyle: each member, a spare too, knows which others have what it has.
func TestStatusTellsWhatWouldSurviveInEveryStyle(t *testing.T) {
	for _, style := range []holdfast.Style{holdfast.Active, holdfast.Passive, holdfast.Voted} {
		t.Run(style.String(), func(t *testing.T) {
			names, folder := []string{"a", "b", "c", "d"}, t.TempDir()
			c, nodes, client1 := cluster(names...), map[string]*holdfast.Node{}, client.Config{}
			for _, name := range names {
				nodes[name] = open(t, c, name)
				cfg := holdfast.ServiceConfig{Name: "counter", Service: &counter{}, Socket: filepath.Join(folder, name), Style: style}
				if _, err := nodes[name].Serve(cfg); err != nil {
					t.Fatal(err)
				}
				client1.Servers = append(client1.Servers, cfg.Socket)
			}
			k, err := client.Dial(client1)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close(within(t))
			for range 3 {
				if _, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil {
					t.Fatal(err)
				}
			}
			for name, n := range nodes {
				awaitStatus(t, n, "all copies are proven, at "+name, func(s *told) bool {
					v := s.Groups[0].Service
					return v.Told && v.Index >= 4 && v.Lives == 3 && len(v.Members) == 3
				})
			}
		})
	}
}

// fading is a counter whose state changes by itself, when it is told to.
type fading struct {
	counter
	bad   atomic.Bool
	digit atomic.Uint64
}

func (f *fading) Digest() uint64 {
	if f.bad.Load() {
		return f.counter.Digest() ^ f.digit.Add(1)
	}
	return f.counter.Digest()
}

// TestTheLastStateIsDamaged: a is the only one that has a state when b comes in, and the state of a has gone bad. b is given nothing, a
// answers nobody any more, and both say why and what to do; and then it goes on.
func TestTheLastStateIsDamaged(t *testing.T) {
	c, folder := cluster("a", "b", "w"), t.TempDir()
	c.Witnesses = []string{"w"}
	service := &fading{}
	a := serveOne(t, c, "a", service, folder)
	if _, err := open(t, c, "w").Join(within(t), holdfast.GroupConfig{Name: "counter", Service: &holdfast.ServiceConfig{Name: "counter"}}); err != nil {
		t.Fatal(err)
	}
	if !a.at.Await(10 * time.Second) {
		t.Fatal(a.at.Err())
	}
	k := dial(t, a)
	if _, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil {
		t.Fatal(err)
	}
	service.bad.Store(true)
	b := serveOne(t, c, "b", &counter{}, folder)
	awaitStatus(t, a.node, "it is damaged", func(s *told) bool {
		g := s.Groups[0]
		return g.Verdict == "stopped" && g.Service.Damaged && strings.Contains(g.Why[0], "the state of a is damaged") && strings.HasPrefix(g.Action, "restart the process of a")
	})
	awaitStatus(t, b.node, "it waits for a", func(s *told) bool {
		g := s.Groups[0]
		return strings.Contains(strings.Join(g.Why, "\n"), "b waits for the state from a, which gives none if its own is damaged") && g.Service.Role == "joining"
	})
	await(t, "the state of this member is damaged and nobody else has one", a.diary)
	if err := a.node.Close(); err != nil {
		t.Fatal(err)
	}
	if !b.at.Await(10 * time.Second) {
		t.Errorf("b does not serve when a is gone: %v", b.at.Err())
	}
}

package holdfast_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/internal/key"
)

// orders are all that there are.
func orders() []holdfast.Order {
	var all []holdfast.Order
	for _, o := range []holdfast.Order{0, holdfast.FIFO, holdfast.Causal} {
		all = append(all, o, o|holdfast.Total, o|holdfast.Uniform, o|holdfast.Total|holdfast.Uniform)
	}
	return all
}

// three opens a, b and c and joins them to a group, at their first common view.
func three(t *testing.T, g holdfast.GroupConfig) ([]*holdfast.Node, []*holdfast.Group) {
	t.Helper()
	return threeOf(t, cluster("a", "b", "c"), g)
}

func threeOf(t *testing.T, c holdfast.Config, g holdfast.GroupConfig) ([]*holdfast.Node, []*holdfast.Group) {
	t.Helper()
	nodes := []*holdfast.Node{open(t, c, "a"), open(t, c, "b"), open(t, c, "c")}
	groups := join(t, g, nodes...)
	for _, g := range groups {
		untilMembers(t, g, 3)
	}
	return nodes, groups
}

func TestAllReceiveAllMessagesInEachOrderOfEachEngine(t *testing.T) {
	for _, engine := range []string{"sequencer", "lamport", "isis"} {
		t.Run(engine, func(t *testing.T) {
			_, groups := three(t, holdfast.GroupConfig{Name: "orders", Engine: engine})
			const rounds = 40
			sent := make(chan error, len(groups))
			for i, g := range groups {
				go func() {
					for n := range rounds {
						for _, o := range orders() {
							if _, err := g.Multicast(t.Context(), fmt.Appendf(nil, "%d %d %d", i, n, o), o); err != nil {
								sent <- err
								return
							}
						}
					}
					sent <- nil
				}()
			}
			var total [][]string
			for _, g := range groups {
				all := receive(t, g, len(groups)*rounds*len(orders()))
				var inTotal []string
				for _, m := range all {
					var sender, n, o int
					fmt.Sscanf(m, "%d %d %d", &sender, &n, &o)
					if holdfast.Order(o)&holdfast.Total != 0 {
						inTotal = append(inTotal, m)
					}
				}
				total = append(total, inTotal)
				slices.Sort(all)
				if n := len(slices.Compact(all)); n != len(groups)*rounds*len(orders()) {
					t.Errorf("%d different messages", n)
				}
			}
			for range groups {
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
			for i := range total[1:] {
				if !slices.Equal(total[0], total[i+1]) {
					t.Errorf("member %d has another total order than member 0", i+1)
				}
			}
		})
	}
}

// receive takes so many messages.
func receive(t *testing.T, g *holdfast.Group, n int) []string {
	t.Helper()
	var all []string
	for len(all) < n {
		e := until(t, g, fmt.Sprintf("message %d of %d", len(all)+1, n), func(e holdfast.Event) bool { return e.Kind == holdfast.Message })
		all = append(all, string(e.Payload))
	}
	return all
}

func TestTheOtherTransportKeepsTheSamePromises(t *testing.T) {
	c := mortal("a", "b", "c")
	c.Transport = "tcp"
	nodes := []*holdfast.Node{open(t, c, "a"), open(t, c, "b"), open(t, c, "c")}
	groups := join(t, holdfast.GroupConfig{Name: "g"}, nodes...)
	const n = 1000 // less than the queue of who is asked last holds
	for i, g := range groups {
		untilMembers(t, g, 3)
		go func() {
			for j := range n {
				if _, err := g.Multicast(t.Context(), fmt.Appendf(make([]byte, j), "%d %d", i, j), holdfast.Total|holdfast.FIFO); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	first := receive(t, groups[0], 3*n)
	for i, g := range groups[1:] {
		if !slices.Equal(receive(t, g, 3*n), first) {
			t.Errorf("member %d has another order", i+1)
		}
	}
	nodes[0].Close()
	untilMembers(t, groups[1], 2)
	if _, err := groups[1].Confirm(within(t), []byte("x"), holdfast.Total|holdfast.Uniform); err != nil {
		t.Error(err)
	}
}

func TestAProcessThatComesBackIsGivenTheState(t *testing.T) {
	c := mortal("a", "b", "c")
	states := []*tally{{}, {}, {}}
	var groups []*holdfast.Group
	nodes := []*holdfast.Node{open(t, c, "a"), open(t, c, "b")}
	joined := make(chan error, 1)
	go func() {
		g, err := nodes[1].Join(within(t), states[1].config("g"))
		if err == nil {
			go func() {
				for range g.Events(t.Context()) {
				}
			}()
		}
		joined <- err
	}()
	a, err := nodes[0].Join(within(t), states[0].config("g"))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-joined; err != nil {
		t.Fatal(err)
	}
	go func() {
		for e := range a.Events(t.Context()) {
			if e.Kind == holdfast.Message {
				states[0].sum += len(e.Payload)
			}
		}
	}()
	groups = append(groups, a)
	for life := range 3 {
		if _, err := groups[0].Confirm(within(t), make([]byte, 100), holdfast.Total|holdfast.Uniform); err != nil {
			t.Fatal(err)
		}
		n := open(t, c, "c")
		if _, err := n.Join(within(t), states[2].config("g")); err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		if want := 100 * (life + 1); states[2].sum != want {
			t.Errorf("life %d has a sum of %d; want %d", life, states[2].sum, want)
		}
		n.Close()
	}
}

func TestAMemberThatCrashesIsNotInTheNextView(t *testing.T) {
	nodes, groups := threeOf(t, mortal("a", "b", "c"), holdfast.GroupConfig{Name: "g"})
	nodes[2].Close()
	for _, g := range groups[:2] {
		v := untilMembers(t, g, 2)
		if !slices.Equal(slices.Sorted(slices.Values(v.Members)), []string{"a", "b"}) || !slices.Equal(slices.Sorted(slices.Values(v.Former)), []string{"a", "b"}) {
			t.Errorf("view %+v", v)
		}
	}
	if _, err := groups[0].Confirm(within(t), []byte("x"), holdfast.Total|holdfast.Uniform); err != nil {
		t.Error(err)
	}
	_, err := groups[2].Multicast(t.Context(), nil, 0)
	expect(t, err, holdfast.Closed, "the node is closed")
	_, err = groups[2].Next(t.Context())
	for err == nil { // what it had before
		_, err = groups[2].Next(t.Context())
	}
	expect(t, err, holdfast.Closed, "the node is closed")
}

// expect checks an error of ours.
func expect(t *testing.T, err error, kind holdfast.Kind, words ...string) {
	t.Helper()
	var e *holdfast.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Errorf("error %v; want one of kind %q", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q; want %q in it", err, w)
		}
	}
}

func TestAMemberLeavesAndTheOthersKnowAtOnce(t *testing.T) {
	_, groups := three(t, holdfast.GroupConfig{Name: "g"})
	if _, err := groups[2].Multicast(t.Context(), []byte("goodbye"), holdfast.FIFO); err != nil {
		t.Fatal(err)
	}
	if err := groups[2].Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	for i, g := range groups {
		if got := receive(t, g, 1); got[0] != "goodbye" {
			t.Errorf("member %d: %q", i, got)
		}
	}
	untilMembers(t, groups[0], 2)
	n := 0
	for e, err := range groups[2].Events(within(t)) {
		if err != nil {
			t.Error(err)
		}
		if n++; e.Kind != holdfast.Departed {
			t.Errorf("after the leave: %v", e.Kind)
		}
	}
	if n != 1 {
		t.Errorf("%d events after the last message; want Departed", n)
	}
	_, err := groups[2].Multicast(t.Context(), nil, 0)
	expect(t, err, holdfast.Departed, "has left the group")
	if err := groups[2].Leave(within(t)); err != nil {
		t.Errorf("a second leave: %v", err)
	}
}

// tally is a state: the sum of the lengths of messages, and ballast.
type tally struct {
	sum     int
	ballast []byte
}

func (s *tally) config(name string) holdfast.GroupConfig {
	return holdfast.GroupConfig{
		Name: name,
		Snapshot: func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%d\n%s", s.sum, s.ballast)
			return err
		},
		Restore: func(r io.Reader) error {
			all, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			line, ballast, _ := bytes.Cut(all, []byte("\n"))
			s.ballast = ballast
			_, err = fmt.Sscan(string(line), &s.sum)
			return err
		},
	}
}

func TestAJoinerIsGivenTheStateAtItsFirstView(t *testing.T) {
	c := cluster("a", "b", "c")
	const messages, size = 3000, 100
	states := []*tally{{ballast: bytes.Repeat([]byte("0123456789abcdef"), 1<<16)}, {ballast: bytes.Repeat([]byte("0123456789abcdef"), 1<<16)}, {}}
	groups := make([]*holdfast.Group, 3)
	first := make(chan error, 2)
	for i, name := range []string{"a", "b"} {
		n := open(t, c, name)
		go func() {
			var err error
			groups[i], err = n.Join(within(t), states[i].config("g"))
			first <- err
		}()
	}
	for range 2 {
		if err := <-first; err != nil {
			t.Fatal(err)
		}
	}
	// apply counts messages, tells when all are there, and goes on until the end: somebody
	// may join.
	apply := func(i int, done chan<- error) {
		s := states[i]
		for told := false; ; {
			if s.sum == messages*size && !told {
				told = true
				done <- nil
			}
			e, err := groups[i].Next(within(t))
			if err != nil {
				if !told {
					done <- fmt.Errorf("member %d: %w", i, err)
				}
				return
			}
			if e.Kind == holdfast.Message {
				s.sum += len(e.Payload)
			}
		}
	}
	done := make(chan error, 3)
	go apply(0, done)
	go apply(1, done)
	late := open(t, c, "c")
	for n := range messages {
		if _, err := groups[0].Multicast(within(t), make([]byte, size), holdfast.Total); err != nil {
			t.Fatal(err)
		}
		if n == messages/2 {
			go func() {
				var err error
				if groups[2], err = late.Join(within(t), states[2].config("g")); err != nil {
					done <- err
					return
				}
				apply(2, done)
			}()
		}
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range states {
		if len(s.ballast) != 16<<16 {
			t.Errorf("member %d has %d bytes of ballast", i, len(s.ballast))
		}
	}
}

func TestNobodyIsWaitedForInVain(t *testing.T) {
	c := cluster("a", "b", "c")
	n := open(t, c, "a")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := n.Join(ctx, holdfast.GroupConfig{Name: "g"})
	expect(t, err, holdfast.Waiting, "first view", "not enough votes", "b", "c")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not tell that the context ended", err)
	}
}

func TestWithoutVotesMessagesWaitAndErrorsSayForWhom(t *testing.T) {
	nodes, groups := threeOf(t, mortal("a", "b", "c"), holdfast.GroupConfig{Name: "g"})
	nodes[1].Close()
	nodes[2].Close()
	until(t, groups[0], "the group to be blocked", func(e holdfast.Event) bool { return e.Kind == holdfast.Blocked })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := groups[0].Confirm(ctx, []byte("x"), holdfast.Total)
	expect(t, err, holdfast.Waiting, "not enough votes", "b", "c")
}

func TestAMessageThatIsTooLongIsRefusedWithBothSizes(t *testing.T) {
	_, groups := three(t, holdfast.GroupConfig{Name: "g", MessageMax: 100000})
	_, err := groups[0].Multicast(t.Context(), make([]byte, 100001), holdfast.Total)
	expect(t, err, holdfast.TooLong, "100001", "100000", "MessageMax")
	_, err = groups[0].Multicast(t.Context(), nil, holdfast.Causal&^holdfast.FIFO)
	expect(t, err, holdfast.Invalid, "no such order")
	if _, err = groups[0].Multicast(t.Context(), make([]byte, 100000), holdfast.Total); err != nil {
		t.Error(err)
	}
	for _, g := range groups {
		if got := receive(t, g, 1); len(got[0]) != 100000 {
			t.Errorf("%d bytes arrived", len(got[0]))
		}
	}
}

func TestWithAnotherKeyNobodyIsHeard(t *testing.T) {
	c := cluster("a", "b", "c")
	c.Insecure = false
	right, wrong := filepath.Join(t.TempDir(), "right"), filepath.Join(t.TempDir(), "wrong")
	for _, file := range []string{right, wrong} {
		if _, err := key.Create(file, "test"); err != nil {
			t.Fatal(err)
		}
	}
	c.KeyFile = right
	groups := join(t, holdfast.GroupConfig{Name: "g"}, open(t, c, "a"), open(t, c, "b"))
	for _, g := range groups {
		untilMembers(t, g, 2)
	}
	c.KeyFile = wrong
	stranger := open(t, c, "c")
	refused(t, stranger, holdfast.GroupConfig{Name: "g"}, "forged seal")
	if _, err := groups[0].Confirm(within(t), []byte("x"), holdfast.Total); err != nil {
		t.Error(err)
	}
}

func TestAnotherConfigurationIsRefusedByName(t *testing.T) {
	c := cluster("a", "b", "c")
	groups := join(t, holdfast.GroupConfig{Name: "g"}, open(t, c, "a"), open(t, c, "b"))
	for _, g := range groups {
		untilMembers(t, g, 2)
	}
	c.Votes = map[string]int{"c": 2}
	stranger := open(t, c, "c")
	refused(t, stranger, holdfast.GroupConfig{Name: "g"}, "another configuration", `"a"`)
	c.Votes, c.Cluster = nil, "elsewhere"
	stranger.Close()
	stranger = open(t, c, "c")
	refused(t, stranger, holdfast.GroupConfig{Name: "g"}, `this is cluster "elsewhere"`)
}

// refused has a node join a group that does not let it in, until it is told why.
func refused(t *testing.T, n *holdfast.Node, g holdfast.GroupConfig, words ...string) {
	t.Helper()
	expect(t, says(t, func(ctx context.Context) error {
		_, err := n.Join(ctx, g)
		return err
	}, words...), holdfast.Waiting)
}

func TestAGroupConfiguredOtherwiseIsRefused(t *testing.T) {
	c := cluster("a", "b", "c")
	groups := join(t, holdfast.GroupConfig{Name: "g"}, open(t, c, "a"), open(t, c, "b"))
	for _, g := range groups {
		untilMembers(t, g, 2)
	}
	refused(t, open(t, c, "c"), holdfast.GroupConfig{Name: "g", Engine: "isis"}, "refused", "engine")
}

func TestASlowMemberIsNamed(t *testing.T) {
	_, groups := three(t, holdfast.GroupConfig{Name: "g", QueueMax: 100 << 10})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // b asks for its events, c does not
		for {
			if _, err := groups[1].Next(ctx); err != nil {
				return
			}
		}
	}()
	go func() {
		for {
			if _, err := groups[0].Multicast(ctx, make([]byte, 10000), holdfast.Total); err != nil {
				return
			}
		}
	}()
	// On a busy machine b may be slow for a moment, too.
	until(t, groups[0], "the slow member's name", func(e holdfast.Event) bool { return e.Kind == holdfast.Slow && e.From == "c" })
}

func TestASecondProcessOfOneNameIsRefusedAtOpen(t *testing.T) {
	c := cluster("a", "b", "c")
	open(t, c, "a")
	c.Name = "a"
	_, err := holdfast.Open(c)
	expect(t, err, holdfast.Failed, "in use by another process", c.Members["a"][0][strings.LastIndex(c.Members["a"][0], ":"):])
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	good := cluster("a", "b", "c")
	good.Name = "a"
	for name, c := range map[string]struct {
		change func(*holdfast.Config)
		words  string
	}{
		"no name":    {func(c *holdfast.Config) { c.Name = "d" }, `"a", "b", "c"`},
		"no cluster": {func(c *holdfast.Config) { c.Cluster = "" }, "cluster"},
		"no key":     {func(c *holdfast.Config) { c.Insecure = false }, "holdfast key new"},
		"both":       {func(c *holdfast.Config) { c.KeyFile = "x" }, "remove one of the two"},
		"address":    {func(c *holdfast.Config) { c.Members = map[string][]string{"a": {"127.0.0.1:1"}, "b": {"there"}} }, `"there"`},
		"no address": {func(c *holdfast.Config) { c.Members = map[string][]string{"a": {}, "b": {"127.0.0.1:1"}} }, "0 addresses"},
		"a gap": {func(c *holdfast.Config) {
			c.Members = map[string][]string{"a": {"", "127.0.0.1:1"}, "b": {"127.0.0.1:2", "127.0.0.1:3"}}
		}, "no address on link 1"},
		"nobody else":     {func(c *holdfast.Config) { c.Members = map[string][]string{"a": {"127.0.0.1:1"}} }, "no other member has an address"},
		"families":        {func(c *holdfast.Config) { c.Members = map[string][]string{"a": {"127.0.0.1:1"}, "b": {"[::1]:1"}} }, "both must be IPv4"},
		"transport":       {func(c *holdfast.Config) { c.Transport = "pigeon" }, `"pigeon"`},
		"votes":           {func(c *holdfast.Config) { c.Votes = map[string]int{"a": 256} }, "256"},
		"votes of nobody": {func(c *holdfast.Config) { c.Votes = map[string]int{"x": 1} }, `"x"`},
		"no votes":        {func(c *holdfast.Config) { c.Votes = map[string]int{"a": 0, "b": 0, "c": 0} }, "nobody can"},
		"only witnesses":  {func(c *holdfast.Config) { c.Witnesses = []string{"a", "b", "c"} }, "nobody can"},
		"witness":         {func(c *holdfast.Config) { c.Witnesses = []string{"x"} }, `"x"`},
		"heartbeat":       {func(c *holdfast.Config) { c.Heartbeat = time.Microsecond }, "1ms"},
		"suspicion":       {func(c *holdfast.Config) { c.SuspectAfter = 30 * time.Millisecond }, "60ms"},
		"multicast":       {func(c *holdfast.Config) { c.Multicast = []string{"192.0.2.1:1"} }, "239.1.2.3"},
	} {
		bad := good
		c.change(&bad)
		_, err := holdfast.Open(bad)
		t.Run(name, func(t *testing.T) { expect(t, err, holdfast.Invalid, c.words) })
	}
	n := open(t, good, "a")
	for name, c := range map[string]struct {
		group holdfast.GroupConfig
		words string
	}{
		"no name":   {holdfast.GroupConfig{}, "0 bytes"},
		"engine":    {holdfast.GroupConfig{Name: "g", Engine: "dice"}, `"dice"`},
		"partition": {holdfast.GroupConfig{Name: "g", Partition: "some"}, `"some"`},
		"length":    {holdfast.GroupConfig{Name: "g", MessageMax: 2 << 20}, "2097152"},
		"restore":   {holdfast.GroupConfig{Name: "g", Restore: func(io.Reader) error { return nil }}, "Snapshot and Restore"},
	} {
		_, err := n.Join(t.Context(), c.group)
		t.Run("group "+name, func(t *testing.T) { expect(t, err, holdfast.Invalid, c.words) })
	}
}

func TestStatusIsJSONAndNamesTheMembers(t *testing.T) {
	nodes, _ := three(t, holdfast.GroupConfig{Name: "g"})
	var b bytes.Buffer
	if err := nodes[0].Status(&b); err != nil {
		t.Fatal(err)
	}
	var status struct {
		Version int
		Member  string
		Members []struct{ Name string }
		Groups  []struct {
			Name  string
			Views []struct{ Members []string }
		}
	}
	if err := json.Unmarshal(b.Bytes(), &status); err != nil {
		t.Fatalf("%v in %s", err, b.Bytes())
	}
	if status.Version != 1 || status.Member != "a" || len(status.Members) != 2 || len(status.Groups) != 1 || len(status.Groups[0].Views) == 0 {
		t.Errorf("status %s", b.Bytes())
	}
	if os.Getenv("HOLDFAST_SHOW") != "" {
		t.Logf("%s", b.Bytes())
	}
}

func TestAGroupIsJoinedOnceAtATime(t *testing.T) {
	nodes, _ := three(t, holdfast.GroupConfig{Name: "g"})
	_, err := nodes[0].Join(within(t), holdfast.GroupConfig{Name: "g"})
	expect(t, err, holdfast.Failed, `in group "g" already`, "wait until it has left")
}

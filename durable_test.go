package holdfast_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// counter counts its calls.
type counter struct{ n uint64 }

func (c *counter) Apply(_ session.Command, reply []byte) []byte {
	c.n++
	return binary.BigEndian.AppendUint64(reply, c.n)
}
func (c *counter) Ended(time.Duration, session.ID) {}
func (c *counter) Passed(time.Duration)            {}
func (c *counter) Next() time.Duration             { return 0 }
func (c *counter) Digest() uint64                  { return c.n }
func (c *counter) Snapshot(w io.Writer) error      { return binary.Write(w, binary.BigEndian, c.n) }
func (c *counter) Restore(r io.Reader) error       { return binary.Read(r, binary.BigEndian, &c.n) }

// memberOrder is what a process of this test binary that is to be a member is told, in its environment.
const memberOrder = "HOLDFAST_TEST_MEMBER"

type order struct {
	Config holdfast.Config
	Folder string
	Style  holdfast.Style
}

func (o *order) socket(name string) string { return filepath.Join(o.Folder, name+".sock") }

// serveUntilKilled is a member of the service of TestAnswersOutliveTheirProcesses. It returns only
// what ended the service.
func serveUntilKilled(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	n, err := holdfast.Open(o.Config)
	if err != nil {
		return err
	}
	defer n.Close()
	s, err := n.Serve(holdfast.ServiceConfig{
		Name: "counter", Service: &counter{}, Socket: o.socket(o.Config.Name), Data: filepath.Join(o.Folder, o.Config.Name), Style: o.Style,
	})
	if err != nil {
		return err
	}
	<-s.Done()
	return s.Err()
}

// TestAnswersOutliveTheirProcesses kills all members at once, again and again, and starts them
// again: the only client sees each of its calls counted once, in their order.
func TestAnswersOutliveTheirProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	for _, style := range []holdfast.Style{holdfast.Active, holdfast.Passive, holdfast.Voted} {
		t.Run(style.String(), func(t *testing.T) { outlive(t, style) })
	}
	t.Run("one after another", func(t *testing.T) { outlive(t, holdfast.Voted, holdfast.Active, holdfast.Passive, holdfast.Voted) })
}

// outlive takes another of the styles at each start.
func outlive(t *testing.T, styles ...holdfast.Style) {
	names := []string{"a", "b", "c"}
	o := order{Config: mortal(names...), Folder: t.TempDir()}
	var members []*exec.Cmd
	kill := func() {
		for _, m := range members {
			_ = m.Process.Kill()
		}
		for _, m := range members {
			_ = m.Wait()
		}
		members = nil
	}
	defer func() { kill() }()
	start := func() {
		o.Style, styles = styles[0], append(styles[1:], styles[0])
		for _, name := range names {
			o.Config.Name = name
			text, err := json.Marshal(&o)
			if err != nil {
				t.Fatal(err)
			}
			m := exec.Command(os.Args[0])
			m.Env = append(os.Environ(), memberOrder+"="+string(text))
			if err := m.Start(); err != nil {
				t.Fatal(err)
			}
			members = append(members, m)
		}
	}
	start()
	// Its session outlives the time that a slow machine takes to start them.
	k, err := client.Dial(client.Config{Servers: []string{o.socket("a"), o.socket("b"), o.socket("c")}, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(within(t))
	ended := make(chan struct{}, 1)
	for n := range uint64(3) {
		for call := range uint64(100) {
			if call == 50 {
				go func() {
					kill()
					start()
					ended <- struct{}{}
				}()
			}
			b, err := k.Call(within(t), client.ExactlyOnce, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := binary.BigEndian.Uint64(b); got != 100*n+call+1 {
				t.Fatalf("call %d is answered %d", 100*n+call+1, got)
			}
		}
		<-ended
	}
}

func TestWhatCannotBeKeptIsSaid(t *testing.T) {
	c := cluster("a", "b")
	n := open(t, c, "a")
	folder := t.TempDir()
	serve := func(data string) error {
		_, err := n.Serve(holdfast.ServiceConfig{Name: "counter", Service: &counter{}, Socket: filepath.Join(folder, "sock"), Data: data})
		return err
	}
	file, wide := filepath.Join(folder, "file"), filepath.Join(folder, "wide")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(wide, 0o700), os.Chmod(wide, 0o755)); err != nil {
		t.Fatal(err)
	}
	const serving = `holdfast: serve group "counter": `
	for _, x := range []struct{ data, want string }{
		{"data", serving + `the path Data is "data"; give an absolute path, for what is kept must be found again`},
		{filepath.Join(folder, "none", "data"), serving + "disk: open: " + filepath.Join(folder, "none", "data") + ": its parent is not there; run: mkdir -p " + filepath.Join(folder, "none")},
		{file, serving + "disk: open: " + file + ": open " + file + ": not a directory"},
		{wide, serving + "disk: open: " + wide + ": its mode is 0755, so that other users can get at the journal; run: chmod 700 " + wide},
		{"/sys/holdfast", serving + fmt.Sprintf("disk: open: /sys/holdfast: it is not there and cannot be made: mkdir /sys/holdfast: %s; run: install -d -m 700 -o %d /sys/holdfast", why("/sys/holdfast"), os.Geteuid())},
	} {
		if err := serve(x.data); err == nil || err.Error() != x.want {
			t.Errorf("%s: the error is\n%v and should be\n%s", x.data, err, x.want)
		}
	}
	var e *holdfast.Error
	if err := serve("data"); !errors.As(err, &e) || e.Kind != holdfast.Invalid {
		t.Errorf("a relative path gives %v", err)
	}
}

// why is the system's reason not to make a directory.
func why(path string) string {
	var e *os.PathError
	errors.As(os.Mkdir(path, 0o700), &e)
	return e.Err.Error()
}

// TestWhatIsKeptForOthersIsRefused gives a member what another member, another service and another cluster have kept.
func TestWhatIsKeptForOthersIsRefused(t *testing.T) {
	c, folder := cluster("a", "b"), t.TempDir()
	data := filepath.Join(folder, "b.data")
	var nodes []*holdfast.Node
	for _, name := range []string{"a", "b"} {
		n := open(t, c, name)
		s, err := n.Serve(holdfast.ServiceConfig{Name: "counter", Service: &counter{}, Socket: filepath.Join(folder, name), Data: filepath.Join(folder, name+".data")})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Await(0)
		nodes = append(nodes, n)
	}
	k, err := client.Dial(client.Config{Servers: []string{filepath.Join(folder, "a"), filepath.Join(folder, "b")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Call(within(t), client.ExactlyOnce, nil); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Close()
	}
	other := c
	other.Cluster = "other"
	for _, x := range []struct {
		c             holdfast.Config
		name, service string
		want          []string
	}{
		{c, "a", "counter", []string{"what " + data + " has is not a's, but another member's: two must not keep the same: disk: open: ", "byte 10: the journal is of member m2, this is member m1; name this member's own directory in the configuration"}},
		{c, "b", "other", []string{"what " + data + ` has is not of service "other" of cluster "test", but of another service or cluster: disk: open: `, "name this member's own directory"}},
		{other, "b", "counter", []string{"what " + data + ` has is not of service "counter" of cluster "other", but of another service or cluster: disk: open: `, "name this member's own directory"}},
	} {
		n := open(t, x.c, x.name)
		_, err := n.Serve(holdfast.ServiceConfig{Name: x.service, Service: &counter{}, Socket: filepath.Join(folder, "sock"), Data: data})
		n.Close()
		for _, want := range x.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %s: the error is\n%v which does not say\n%s", x.service, x.name, err, want)
			}
		}
	}
}

package holdfast_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
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

// memberOrder is what a process that TestServesUntilKilled runs in is told, in its environment.
const memberOrder = "HOLDFAST_TEST_MEMBER"

type order struct {
	Config holdfast.Config
	Folder string
}

func (o *order) socket(name string) string { return filepath.Join(o.Folder, name+".sock") }

// TestServesUntilKilled is a member of the service of TestAnswersOutliveTheirProcesses.
func TestServesUntilKilled(t *testing.T) {
	text := os.Getenv(memberOrder)
	if text == "" {
		t.Skip("it is a member that TestAnswersOutliveTheirProcesses starts")
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	n, err := holdfast.Open(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	s, err := n.Serve(holdfast.ServiceConfig{
		Name: "counter", Service: &counter{}, Socket: o.socket(o.Config.Name), Data: filepath.Join(o.Folder, o.Config.Name),
	})
	if err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	t.Fatal(s.Err())
}

// TestAnswersOutliveTheirProcesses kills all members at once, again and again, and starts them
// again: the only client sees each of its calls counted once, in their order.
func TestAnswersOutliveTheirProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	names := []string{"a", "b", "c"}
	o := order{Config: cluster(names...), Folder: t.TempDir()}
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
		for _, name := range names {
			o.Config.Name = name
			text, err := json.Marshal(&o)
			if err != nil {
				t.Fatal(err)
			}
			m := exec.Command(os.Args[0], "-test.run=^TestServesUntilKilled$")
			m.Env = append(os.Environ(), memberOrder+"="+string(text))
			if err := m.Start(); err != nil {
				t.Fatal(err)
			}
			members = append(members, m)
		}
	}
	start()
	k, err := client.Dial(client.Config{Servers: []string{o.socket("a"), o.socket("b"), o.socket("c")}})
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
	for _, x := range []struct{ data, want string }{
		{"data", "give an absolute path"},
		{filepath.Join(folder, "none", "data"), "run: mkdir -p " + filepath.Join(folder, "none")},
	} {
		if err := serve(x.data); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: the error is %v, which does not say %q", x.data, err, x.want)
		}
	}
	var e *holdfast.Error
	if err := serve("data"); !errors.As(err, &e) || e.Kind != holdfast.Invalid {
		t.Errorf("a relative path gives %v", err)
	}
}

package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/job"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hall is a desk with what it has said.
type hall struct {
	*Desk
	t    testing.TB
	said chan string
	mu   sync.Mutex
	away bool // it does not serve
}

func open(t testing.TB, cfg Config) *hall {
	h := &hall{t: t, said: make(chan string, 10_000)}
	cfg.Send = func(client uint64, b []byte) {
		m, why := job.Parse(b)
		if why != wire.OK {
			t.Errorf("client %d is sent %x: %v", client, b, why)
		}
		select {
		case h.said <- fmt.Sprintf("%d: %d.%d.%d why %d %.20s", client, m.Verb, m.Life, m.Number, m.Why, m.Body):
		default:
		}
	}
	cfg.Serves = func() (uint64, bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return 7, !h.away
	}
	cfg.Life = 9
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Desk = d
	t.Cleanup(func() {
		if err := d.Close(10 * time.Second); err != nil && !errors.Is(err, errClosed) {
			t.Error(err)
		}
	})
	return h
}

func (h *hall) tell(client uint64, m job.Message) { h.Receive(client, m.Append(nil)) }

func (h *hall) hears(want string) {
	h.t.Helper()
	select {
	case got := <-h.said:
		if got != want {
			h.t.Errorf("it says %q, not %q", got, want)
		}
	case <-time.After(30 * time.Second):
		h.t.Fatalf("it does not say %q", want)
	}
}

func hello(life uint64) job.Message {
	return job.Message{Verb: job.Hello, Name: job.Name{Life: life}, Body: []byte("billing")}
}

func about(v job.Verb, life, number uint64, body string) job.Message {
	return job.Message{Verb: v, Name: job.Name{Life: life, Number: number}, Body: []byte(body)}
}

// waits runs until it is told to end.
func waits(ctx context.Context, j Job) ([]byte, error) {
	switch string(j.Body) {
	case "at once":
		return fmt.Appendf(nil, "%s %d %d", j.Client, j.Number, j.Epoch), nil
	case "long":
		return make([]byte, session.BodyMax+1), nil
	case "bad":
		return nil, errors.New("bad \xff " + strings.Repeat("x", 10_000))
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// TestEnds: the ends of jobs are told, and kept until they were heard.
func TestEnds(t *testing.T) {
	h := open(t, Config{Orphans: call.OrphanConfig{Answer: call.Reincarnation}, Run: waits, Most: 2})
	h.tell(1, about(job.Start, 1, 1, "at once")) // of nobody
	h.tell(1, hello(1))
	h.hears("1: 9.9.0 why 2 ")
	h.tell(1, about(job.Start, 1, 1, "at once"))
	h.hears("1: 10.1.1 why 0 billing 1 7")
	h.tell(1, about(job.Start, 1, 1, "at once")) // again: it is not done twice
	h.hears("1: 10.1.1 why 0 billing 1 7")
	h.tell(1, about(job.Heard, 1, 1, ""))
	h.tell(1, about(job.Attach, 1, 1, ""))
	h.hears("1: 14.1.1 why 0 ")
	h.tell(1, about(job.Start, 1, 2, "long"))
	h.hears("1: 11.1.2 why 0 it has returned 1048")
	h.tell(1, about(job.Start, 1, 3, "bad"))
	h.hears("1: 11.1.3 why 0 bad  xxxxxxxxxxxxxxx")
	h.tell(1, about(job.Start, 2, 1, "at once")) // in another's name

	h.tell(1, about(job.Start, 1, 4, "waits"))
	h.tell(1, about(job.Start, 1, 5, "waits"))
	h.tell(1, about(job.Start, 1, 6, "waits"))
	h.hears("1: 13.1.6 why 2 ")
	h.Gone(1)
	h.tell(2, hello(1))
	h.hears("2: 9.9.0 why 2 ")
	h.tell(2, about(job.Attach, 1, 4, ""))
	h.tell(2, about(job.Cancel, 1, 4, ""))
	h.tell(2, about(job.Cancel, 1, 4, ""))
	h.hears("2: 12.1.4 why 255 ")
	h.mu.Lock()
	h.away = true
	h.mu.Unlock()
	h.tell(2, about(job.Start, 1, 7, "waits"))
	h.hears("2: 13.1.7 why 1 ")
	h.tell(3, hello(2))
	h.hears("3: 9.9.0 why 2 ")
	h.tell(3, about(job.Attach, 1, 5, ""))
	h.hears("3: 12.1.5 why 3 ")
	h.mu.Lock()
	h.away = false
	h.mu.Unlock()
	h.tell(2, about(job.Start, 1, 8, "waits"))
	h.hears("2: 13.1.8 why 3 ")
	if c := h.Counts(); c.Running != 0 || c.Done != 1 || c.Failed != 2 || c.Refused != 3 || c.Stopped[0] != 1 || c.Stopped[call.Outlived] != 1 {
		t.Errorf("counts are %+v", c)
	}
}

// TestKept: ends that nobody hears of are bounded, the oldest go.
func TestKept(t *testing.T) {
	h := open(t, Config{Orphans: call.OrphanConfig{Answer: call.Gentle}, Run: waits})
	h.tell(1, hello(1))
	h.hears("1: 9.9.0 why 3 ")
	for n := range uint64(endedMax + 10) {
		h.tell(1, about(job.Start, 1, n+1, "at once"))
		h.hears(fmt.Sprintf("1: 10.1.%d why 0 %.20s", n+1, fmt.Sprintf("billing %d 7", n+1)))
	}
	h.tell(1, about(job.Attach, 1, 10, ""))
	h.hears("1: 14.1.10 why 0 ")
	h.tell(1, about(job.Attach, 1, 11, ""))
	h.hears("1: 10.1.11 why 0 billing 11 7")
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ended) != endedMax || h.bytes > endedMax*(job.HeadSize+20) {
		t.Errorf("%d ends are kept, %d bytes", len(h.ended), h.bytes)
	}
}

// TestPart: a member that has lost its place stops what it runs, and begins nothing that it was asked for before it knew.
func TestPart(t *testing.T) {
	h := open(t, Config{Orphans: call.OrphanConfig{Answer: call.Gentle}, Run: waits})
	h.tell(1, hello(1))
	h.hears("1: 9.9.0 why 3 ")
	h.tell(1, about(job.Start, 1, 1, "waits"))
	h.Part()
	h.hears("1: 12.1.1 why 253 ")
	serves := h.cfg.Serves
	h.cfg.Serves = func() (uint64, bool) {
		epoch, is := serves()
		h.Part()
		return epoch, is
	}
	h.tell(1, about(job.Start, 1, 2, "waits"))
	h.hears("1: 13.1.2 why 1 ")
	h.cfg.Serves = serves
	h.tell(1, about(job.Start, 1, 3, "at once"))
	h.hears("1: 10.1.3 why 0 billing 3 7")
	if c := h.Counts(); c.Stopped[FateCount-1] != 1 || !strings.Contains(Reason(FateCount-1).Error(), "cut off") || Reason(0).Why() != "its client has cancelled it" {
		t.Errorf("counts are %+v", c)
	}
}

// TestClose: jobs are told to end, and who does not is named.
func TestClose(t *testing.T) {
	door := make(chan struct{})
	h := open(t, Config{Orphans: call.OrphanConfig{Answer: call.Expiration}, Run: func(context.Context, Job) ([]byte, error) {
		<-door
		return nil, nil
	}})
	h.tell(1, hello(1))
	h.tell(1, about(job.Start, 1, 1, "deaf"))
	if err := h.Close(10 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "1 jobs have not ended") {
		t.Error(err)
	}
	h.tell(1, about(job.Start, 1, 2, "late"))
	close(door)
	h.running.Wait()
	if c := h.Counts(); c.Running != 0 || c.Done != 1 {
		t.Errorf("counts are %+v", c)
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{}, {Orphans: call.OrphanConfig{Answer: call.Gentle}}, {Orphans: call.OrphanConfig{Answer: call.Gentle}, Run: waits, Most: -1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	var said []string
	for _, m := range []job.Message{hello(1), about(job.Start, 1, 1, ""), about(job.Attach, 1, 1, ""), {Verb: job.Names}, about(job.Heard, 1, 1, "")} {
		Refuse(m.Append(nil), func(b []byte) {
			m, _ := job.Parse(b)
			said = append(said, fmt.Sprint(m.Verb, " ", m.Why))
		})
	}
	Refuse([]byte{0x81}, func([]byte) { t.Error("nonsense is answered") })
	if got := strings.Join(said, ", "); got != "9 0, 13 4, 14 0, 16 0" {
		t.Errorf("a service without jobs says %s", got)
	}
}

// FuzzReceive gives a desk messages that no client sends: it does not panic, and begins nothing that is not to be.
func FuzzReceive(f *testing.F) {
	for _, m := range []job.Message{
		hello(1), about(job.Start, 1, 1, "at once"), about(job.Start, 1, 2, "waits"), about(job.Cancel, 1, 2, ""),
		{Verb: job.Names, Body: job.AppendName(nil, job.Name{Life: 1, Number: 2})}, about(job.Found, 1, 2, ""), about(job.Missing, 1, 2, ""),
	} {
		f.Add(m.Append(nil), uint8(4))
	}
	f.Fuzz(func(t *testing.T, b []byte, answer uint8) {
		h := open(t, Config{Orphans: call.OrphanConfig{Answer: call.Answer(1 + answer%4)}, Run: waits, Most: 4})
		h.Receive(1, b)
		h.tell(1, hello(5))
		for at := 0; at < len(b); at += job.HeadSize {
			h.Receive(1, b[at:])
		}
		h.Receive(2, b)
		if n := h.Counts().Running; n > 4 {
			t.Errorf("%d jobs run", n)
		}
		h.Gone(1)
		if err := h.Close(10 * time.Second); err != nil {
			t.Error(err)
		}
	})
}

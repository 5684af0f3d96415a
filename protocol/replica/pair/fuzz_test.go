package pair

import (
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// FuzzReceive: whatever comes, nothing panics; what is malformed changes nothing but a counter; and what the
// machine says then is well formed.
func FuzzReceive(f *testing.F) {
	for _, s := range []statement{
		{role: Empty, flags: flagKnown, heard: 1, sequence: 1 << 20},
		{role: Empty, flags: flagAgain, heard: 1, sequence: 1 << 20, stream: 1, upto: 124, differs: 3},
		{role: Single, heard: 1, sequence: 1 << 20, epoch: 9, highest: 9, base: 1, index: 4},
		{role: Primary, heard: 1, sequence: 1 << 20, epoch: 5, highest: 5, differs: 2},
		{role: Halting, heard: 1, sequence: 1 << 20, differs: 2},
	} {
		f.Add(s.append(nil), uint64(1), true)
		f.Add(s.append(nil), uint64(2), false)
	}
	paired := record{kind: recordPaired, index: 3, epoch: 7}
	command := record{kind: recordCommand, index: 3, client: 1, digest: 7, request: []byte("request")}
	for _, data := range [][]byte{paired.append(nil), command.append(nil), {9}, make([]byte, 20)} {
		p := piece{heard: 1, epoch: 5, stream: 1, snapshot: 124, offset: 124, data: data}
		f.Add(p.append(nil), uint64(1), false)
		p = piece{heard: 1, epoch: 5, stream: 2, snapshot: uint64(len(data)), data: data}
		f.Add(p.append(nil), uint64(1), false)
	}
	f.Fuzz(func(t *testing.T, payload []byte, life uint64, first bool) {
		c := newCluster(t, 1)
		for _, n := range c.nodes {
			c.start(n)
		}
		c.Run(50 * time.Millisecond)
		c.Clients[0].Ask(service.Add, 1, 1)
		c.Run(20 * time.Millisecond)
		n := c.nodes[1]
		if first {
			n = c.nodes[0]
		}
		before := n.m.State()
		var out Output
		from := view.Member{ID: 3 - n.ID, Incarnation: view.Incarnation(life)}
		n.m.Receive(c.Now, from, payload, &out)
		_, statementOK := parseStatement(payload)
		_, pieceOK := parsePiece(payload)
		if after := n.m.State(); !statementOK && !pieceOK && after != before {
			t.Errorf("bytes without sense make %+v of %+v", after, before)
		}
		for range 20 {
			for _, e := range out.Send {
				_, b, why := wire.Open(e.Frame)
				_, statementOK := parseStatement(b)
				_, pieceOK := parsePiece(b)
				if why != wire.OK || n.m.highest < epochMax-100 && !statementOK && !pieceOK {
					t.Fatalf("the machine says %x", b)
				}
			}
			if out.Save != 0 {
				n.m.Persisted(c.Now, out.Save, nil, &out)
			}
			out.Reset()
			c.Now = n.m.Deadline()
			n.m.Tick(c.Now, &out)
			n.m.Receive(c.Now, from, payload, &out)
		}
	})
}

// FuzzRecord: a record has one reading, and is asked for until it is whole.
func FuzzRecord(f *testing.F) {
	for _, r := range []record{
		{kind: recordPaired, index: 3, epoch: 7},
		{kind: recordCommand, index: 300, client: 1, digest: 7, request: []byte("request")},
	} {
		f.Add(r.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again record
		size := parseRecord(b, &r)
		if size < -1 || size > len(b) {
			t.Fatalf("a record of %d bytes in %d", size, len(b))
		}
		if size <= 0 {
			return
		}
		if got := parseRecord(b[:size], &again); got != size || again.index != r.index || again.digest != r.digest || again.epoch != r.epoch {
			t.Fatalf("%+v is read again as %+v", r, again)
		}
		for short := range size {
			if got := parseRecord(b[:short], &again); got > 0 {
				t.Fatalf("%d of %d bytes are a record", short, size)
			}
		}
	})
}

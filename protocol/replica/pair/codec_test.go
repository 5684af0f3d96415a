package pair

import (
	"encoding/hex"
	"testing"
)

// TestVectors: those of docs/rfc/0017-pair.md.
func TestVectors(t *testing.T) {
	s := statement{
		role: Backup, flags: flagKnown | flagGap, heard: 7, sequence: 300, epoch: 5, highest: 6, kept: 3,
		base: 10, index: 12, digest: 0x1122334455667788, stream: 2, upto: 4096,
	}
	p := piece{heard: 9, epoch: 5, stream: 2, snapshot: 124, offset: 124, data: []byte{1, 2}}
	c := record{kind: recordCommand, index: 300, client: 4, digest: 0x1122334455667788, request: []byte("abc")}
	d := record{kind: recordPaired, index: 300, epoch: 5}
	for _, v := range []struct{ name, want, got string }{
		{"statement", "010203" + "0000000000000007" + "000000000000012c" + "0000000000000005" + "0000000000000006" +
			"0000000000000003" + "000000000000000a" + "000000000000000c" + "1122334455667788" + "0000000000000000" +
			"0000000000000002" + "0000000000001000", hex.EncodeToString(s.append(nil))},
		{"piece", "02" + "0000000000000009" + "0000000000000005" + "00000002" + "000000000000007c" + "000000000000007c" + "0102",
			hex.EncodeToString(p.append(nil))},
		{"command", "01" + "ac02" + "0000000000000004" + "1122334455667788" + "03" + "616263", hex.EncodeToString(c.append(nil))},
		{"paired", "02" + "ac02" + "0000000000000005", hex.EncodeToString(d.append(nil))},
	} {
		if v.got != v.want {
			t.Errorf("%s:\n%s, want\n%s", v.name, v.got, v.want)
		}
	}
	if got, ok := parseStatement(s.append(nil)); !ok || got != s {
		t.Errorf("%+v is read as %+v", s, got)
	}
	if got, ok := parsePiece(p.append(nil)); !ok || got.offset != p.offset || string(got.data) != string(p.data) {
		t.Errorf("%+v is read as %+v", p, got)
	}
}

func TestWhatIsMalformed(t *testing.T) {
	good := statement{role: Primary, heard: 1, sequence: 1, epoch: 5, highest: 5}
	for name, wrong := range map[string]func(*statement){
		"no role":                         func(s *statement) { s.role = 0 },
		"another role":                    func(s *statement) { s.role = roleEnd },
		"another flag":                    func(s *statement) { s.flags = 2 * flagMost },
		"no sequence":                     func(s *statement) { s.sequence = 0 },
		"an epoch that is not known":      func(s *statement) { s.epoch = 6 },
		"an epoch that is too high":       func(s *statement) { s.highest = epochMax + 1 },
		"a role without an epoch":         func(s *statement) { s.epoch = 0 },
		"an epoch without a state":        func(s *statement) { s.role = Empty },
		"a saved epoch that is not known": func(s *statement) { s.kept = 9 },
	} {
		s := good
		wrong(&s)
		if _, ok := parseStatement(s.append(nil)); ok {
			t.Errorf("%s: a statement is taken", name)
		}
	}
	whole := piece{heard: 1, epoch: 5, stream: 1, snapshot: 124, offset: 100, data: make([]byte, 24)}
	for name, wrong := range map[string]func(*piece){
		"nobody's":                        func(p *piece) { p.heard = 0 },
		"no epoch":                        func(p *piece) { p.epoch = 0 },
		"no stream":                       func(p *piece) { p.stream = 0 },
		"no bytes":                        func(p *piece) { p.data = nil },
		"no snapshot":                     func(p *piece) { p.snapshot = 0 },
		"a snapshot that is too large":    func(p *piece) { p.snapshot = snapshotMax + 1 },
		"on both sides of the snapshot's": func(p *piece) { p.offset = 101 },
		"an offset that is absurd":        func(p *piece) { p.offset = 1 << 62 },
	} {
		p := whole
		wrong(&p)
		if _, ok := parsePiece(p.append(nil)); ok {
			t.Errorf("%s: a piece is taken", name)
		}
	}
	for _, b := range [][]byte{append(good.append(nil), 0), good.append(nil)[:50], whole.append(nil)[:30]} {
		_, s := parseStatement(b)
		_, p := parsePiece(b)
		if s || p {
			t.Errorf("%d bytes are taken", len(b))
		}
	}
}

package checkpointed

import (
	"encoding/hex"
	"testing"
)

// TestVector: that of docs/rfc/0018-checkpointed.md.
func TestVector(t *testing.T) {
	a := alive{role: Primary, flags: flagUnable, heard: 7, sequence: 300, epoch: 5, highest: 6, index: 12}
	want := "010301" + "0000000000000007" + "000000000000012c" + "0000000000000005" + "0000000000000006" + "000000000000000c"
	if got := hex.EncodeToString(a.append(nil)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, ok := parse(a.append(nil)); !ok || got != a {
		t.Errorf("%+v is read as %+v", a, got)
	}
}

func TestWhatIsMalformed(t *testing.T) {
	good := alive{role: Primary, heard: 1, sequence: 1, epoch: 5, highest: 5}
	for name, wrong := range map[string]func(*alive){
		"no role":                    func(a *alive) { a.role = 0 },
		"another role":               func(a *alive) { a.role = roleEnd },
		"another flag":               func(a *alive) { a.flags = 2 * flagMost },
		"no sequence":                func(a *alive) { a.sequence = 0 },
		"an epoch that is not known": func(a *alive) { a.epoch = 6 },
		"an epoch that is too high":  func(a *alive) { a.highest = epochMax + 1 },
		"a primary without an epoch": func(a *alive) { a.epoch = 0 },
		"a standby with an epoch":    func(a *alive) { a.role = Standby },
	} {
		a := good
		wrong(&a)
		if _, ok := parse(a.append(nil)); ok {
			t.Errorf("%s is taken", name)
		}
	}
	for _, b := range [][]byte{append(good.append(nil), 0), good.append(nil)[:20]} {
		if _, ok := parse(b); ok {
			t.Errorf("%d bytes are taken", len(b))
		}
	}
}

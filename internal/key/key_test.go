package key

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func newKey(t testing.TB, id uint8) Key {
	t.Helper()
	k, err := New(id, "made in a test")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDerive(t *testing.T) {
	// Test case 3 of RFC 5869 has no salt and no info, but a secret of 22 bytes; this one
	// was computed with HMAC-SHA256 by hand: HMAC(HMAC(0^32, secret), info || 1).
	ring, err := Parse("vector", []byte("5 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"))
	if err != nil {
		t.Fatal(err)
	}
	have, err := ring.At(0).Derive([]byte("holdfast envelope"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "4b5fff072bbfa4d9a6adb3d440b25abda3aca62a5a884fa022c6088818ffd498"
	if hex.EncodeToString(have[:]) != want {
		t.Errorf("derived %x, want %s", have, want)
	}
	other, err := ring.At(0).Derive([]byte("holdfast envelopf"))
	if err != nil || other == have {
		t.Errorf("another info gave %x (%v), the same or nothing", other, err)
	}
	if _, err := (Key{}).Derive(nil); err == nil {
		t.Error("the zero key derives")
	}
}

func TestNewKeysDiffer(t *testing.T) {
	a, b := newKey(t, 1), newKey(t, 1)
	if a.Equal(b) || !a.Equal(a) || a.Equal(Key{ID: 1}) || !(Key{}).Equal(Key{}) {
		t.Error("Equal: two new keys are equal, or one is not equal to itself")
	}
	if _, err := New(0, ""); err == nil {
		t.Error("a key got the number 0, which means clear text")
	}
	if _, err := New(1, "two\nlines"); err == nil {
		t.Error("a comment of two lines was taken")
	}
}

func TestRingRefuses(t *testing.T) {
	many := make([]Key, RingMax+1)
	for i := range many {
		many[i] = newKey(t, uint8(i+1))
	}
	for name, keys := range map[string][]Key{
		"none": nil, "too many": many, "the zero key": {{}}, "a key without a secret": {{ID: 1}},
		"the same number twice": {newKey(t, 3), newKey(t, 4), newKey(t, 3)},
	} {
		if _, err := NewRing(keys...); err == nil {
			t.Errorf("%s: a ring was made", name)
		}
	}
	ring, err := NewRing(many[:RingMax]...)
	if err != nil || ring.Len() != RingMax || ring.At(3).ID != 4 {
		t.Errorf("the largest ring: %v, %v", ring, err)
	}
}

// TestNothingPrintsSecrets prints keys in every way that a careless log line may.
func TestNothingPrintsSecrets(t *testing.T) {
	k := newKey(t, 7)
	ring, err := NewRing(k)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	type holder struct {
		Ring   *Ring
		Key    Key
		hidden Key
		ring   Ring
	}
	h := holder{ring, k, k, *ring}
	for _, v := range []any{k, &k, ring, *ring, h, &h, []Key{k}, map[string]Key{"k": k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", k, "r", ring, "h", h)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", k, "r", ring, "h", h)

	text := strings.ToLower(out.String())
	numbers := strings.Trim(fmt.Sprint(k.secret.bytes[:4]), "[]")
	codes := strings.ReplaceAll(strings.Trim(fmt.Sprintf("%#v", k.secret.bytes[:4]), "[]byte{}"), " ", "")
	for _, form := range []string{hex.EncodeToString(k.secret.bytes[:4]), numbers, codes, strings.ToLower(string(k.secret.bytes[:4]))} {
		if strings.Contains(text, form) || strings.Contains(strings.ReplaceAll(text, " ", ""), form) {
			t.Errorf("a secret was printed as %q", form)
		}
	}
	if have := fmt.Sprintf("%v, %v, %s", k, ring, (*Ring)(nil)); have != "key 7, keys 7, no keys" {
		t.Errorf("printed %q", have)
	}
}

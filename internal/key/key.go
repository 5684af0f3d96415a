// Package key keeps the secrets that the members of a cluster share: the key file and
// the ring of keys read from it.
//
// A key file is text, one key a line, readable by its owner only:
//
//	# comment
//	2 9f3c…64 hexadecimal digits…  made 2026-11-23 on fw1
//	1 04d1…                        made 2025-11-20 on fw1
//
// A line has a number from 1 to 255, a secret of 32 bytes and, to the end of the line,
// words for people. The rule is short: the first line seals, all lines open. So a new
// key is brought in without a moment in which two members do not understand each
// other: append it on every member ([Add]) and reload; put it first on every member
// and reload; remove the old line on every member and reload.
//
// A secret never leaves this package: [Key.Derive] gives keys made from it. No error,
// no log line and no %v shows one.
package key

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
)

// Size is the size of a secret, and of a derived key, in bytes: what AES-256 takes.
const Size = 32

// Key is one shared secret and its number.
type Key struct {
	ID      uint8  // 1 to 255; it stands in clear text in every datagram
	Comment string // for people; may be empty

	secret *vault
}

// vault keeps a secret two pointers away from the Key, so that not even package fmt
// comes to it where it does not call Format: in an unexported field of another struct.
// There it follows no pointer, or one, for a verb that does not fit.
type vault struct{ bytes *[Size]byte }

func newVault() *vault { return &vault{new([Size]byte)} }

// New makes a key of the given number from the kernel's random generator. The comment
// must be one line of printable text; see [Create].
func New(id uint8, comment string) (Key, error) {
	if id == 0 {
		return Key{}, errors.New("a key has a number from 1 to 255; 0 means clear text")
	}
	if err := checkComment(comment); err != nil {
		return Key{}, err
	}
	k := Key{ID: id, Comment: comment, secret: newVault()}
	if _, err := rand.Read(k.secret.bytes[:]); err != nil {
		return Key{}, err
	}
	return k, nil
}

// Derive gives the key for one purpose and owner: HKDF-SHA256 (RFC 5869) of the secret
// without salt, with the info. Different infos give keys that tell nothing of one
// another.
func (k Key) Derive(info []byte) ([Size]byte, error) {
	if k.secret == nil {
		return [Size]byte{}, errors.New("the zero key has no secret; take keys from New or Load")
	}
	b, err := hkdf.Key(sha256.New, k.secret.bytes[:], nil, string(info), Size)
	if err != nil {
		return [Size]byte{}, err
	}
	return [Size]byte(b), nil
}

// Equal says whether two keys have the same number and secret.
func (k Key) Equal(o Key) bool {
	if k.ID != o.ID || k.secret == nil || o.secret == nil {
		return k.ID == o.ID && k.secret == o.secret
	}
	return subtle.ConstantTimeCompare(k.secret.bytes[:], o.secret.bytes[:]) == 1
}

// String gives "key 2", never the secret.
func (k Key) String() string { return "key " + strconv.Itoa(int(k.ID)) }

// Format prints what String gives, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// Ring is an ordered set of keys: the first seals, all open. It does not change after
// it was made; a new ring replaces it.
type Ring struct {
	keys []Key
}

// NewRing makes a ring. Numbers must differ, and there must be 1 to [RingMax] keys.
func NewRing(keys ...Key) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("a key ring needs at least one key")
	}
	if len(keys) > RingMax {
		return nil, fmt.Errorf("%d keys in a ring; at most %d are tried for a member", len(keys), RingMax)
	}
	for i, k := range keys {
		if k.ID == 0 || k.secret == nil {
			return nil, errors.New("the zero key has no secret; take keys from New or Load")
		}
		for _, earlier := range keys[:i] {
			if earlier.ID == k.ID {
				return nil, fmt.Errorf("%v is in the ring twice; numbers must differ", k)
			}
		}
	}
	return &Ring{keys: append([]Key(nil), keys...)}, nil
}

// Len is the number of keys, at least 1.
func (r *Ring) Len() int { return len(r.keys) }

// At gives the key at a position. Position 0 is the key that seals.
func (r *Ring) At(i int) Key { return r.keys[i] }

// String gives "keys 2 1" in the ring's order, or "no keys", never a secret.
func (r *Ring) String() string {
	if r == nil {
		return "no keys"
	}
	s := "keys"
	for _, k := range r.keys {
		s += " " + strconv.Itoa(int(k.ID))
	}
	return s
}

// Format prints what String gives, whatever the verb.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) }

// Package view names the members of a group and numbers what they agree on.
//
// A [Member] is one life of one configured process: the same machine that comes
// back from a crash is the same [ID] with a later [Incarnation], so that what was
// promised to, or by, its former life can never be mistaken for a promise of the
// new one. An [Epoch] numbers the views of a group; it only grows, and every
// action (a takeover, an address, an injected flow) is done in the name of one.
// Old epochs lose, everywhere.
//
// Source: the glossary of docs/glossary.md, and "incarnation" and "view" as Birman
// and Joseph use them (virtual synchrony).
package view

import (
	"fmt"
	"strconv"
)

// ID is a member's position in the configuration, counted from 1 in the order of
// the members' names. The zero ID is nobody.
type ID uint16

// Nobody is the ID of no member.
const Nobody ID = 0

// Everyone is no member's ID: it addresses a frame to several.
const Everyone ID = 1<<16 - 1

// String gives "m3", "nobody" or "everyone".
func (id ID) String() string {
	if id == Everyone {
		return "everyone"
	}
	if id == Nobody {
		return "nobody"
	}
	return "m" + strconv.Itoa(int(id))
}

// Incarnation numbers the lives of a member. A later life has a larger number;
// nothing else may be read into its value. Zero is "not known".
type Incarnation uint64

// Epoch numbers the views of a group. It only grows. Zero is "before the first view".
type Epoch uint64

// Member is one life of one configured process.
type Member struct {
	ID          ID
	Incarnation Incarnation
}

// String gives "m3#17".
func (m Member) String() string {
	return fmt.Sprintf("%s#%d", m.ID, uint64(m.Incarnation))
}

// Known says whether the member's life is known.
func (m Member) Known() bool { return m.ID != Nobody && m.Incarnation != 0 }

// Succeeds says whether m is a later life of the same process as old.
func (m Member) Succeeds(old Member) bool {
	return m.ID == old.ID && m.Incarnation > old.Incarnation
}

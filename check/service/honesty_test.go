package service

import (
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

func TestHonesty(t *testing.T) {
	end := []Fact{calm, ended}
	d := view.Member{ID: 4, Incarnation: 1}
	// c has another state after command 1, and keeps it.
	apart := parts(each(1, a, b), []Fact{in(9, did(c, 1, 1, 1))})
	back := parts(apart, []Fact{names(a, c), restored(c, 1)})
	// Then b has another state after command 2, and keeps it.
	other := parts(back, []Fact{did(a, 2, 1, 2), did(c, 2, 1, 2), in(9, did(b, 2, 1, 2))})
	run(t, []history{
		{"all the same", durable, parts(each(2, a, b, c), end), ""},
		{"one is behind", durable, parts(each(1, a, b, c), []Fact{did(a, 2, 1, 2), ended}), ""},
		{"named and restored", durable, parts(back, end), ""},
		{"named by all, and by some late", durable, parts(back, []Fact{names(b, c), names(c, c)}, end), ""},
		{"named by one twice before it is restored", primary, parts(apart, []Fact{names(a, c), names(a, c), restored(c, 1)}, end), ""},
		{"named by one twice, once of them after it was restored", durable, parts(back, []Fact{names(a, c)}), "honesty"},
		{"not named", durable, parts(apart, end), "honesty"},
		{"not named, and one command behind", durable, parts(apart, []Fact{did(a, 2, 1, 2), did(b, 2, 1, 2)}, end), "honesty"},
		{"named and not restored", durable, parts(apart, []Fact{names(a, c)}, end), "honesty"},
		{"named, and restored to something else", durable, parts(apart, []Fact{names(a, c), in(8, restored(c, 1))}, end), "honesty"},
		{"named late, when it is with most of those from whom another differs", durable, parts(other, []Fact{names(d, c)}), ""},
		{"named late, and again without a reason", durable, parts(other, []Fact{names(d, c), names(d, c)}), "honesty"},
		{"named by one who has named it before, and another differs now", durable, parts(other, []Fact{names(a, c)}), "honesty"},
		{"diverged again and not named", durable, parts(back, []Fact{did(a, 2, 1, 2), in(9, did(c, 2, 1, 2))}, end), "honesty"},
		{"diverged again, named and restored", durable, parts(back, []Fact{did(a, 2, 1, 2), did(b, 2, 1, 2), in(9, did(c, 2, 1, 2)), names(a, c), restored(c, 2)}, end), ""},
		{"named, and it does not differ", durable, parts(each(1, a, b, c), []Fact{names(a, c)}), "honesty"},
		{"named before it differs", durable, parts(each(1, a, b), []Fact{names(a, c), in(9, did(c, 1, 1, 1))}), "honesty"},
		{"the wrong one is named", durable, parts(apart, []Fact{names(c, a)}), "honesty"},
		{"the wrong one is named, late", durable, parts(back, []Fact{names(b, a)}), "honesty"},
		{"the primary names those that differ from it", primary, parts(apart, []Fact{names(c, a), names(c, b)}), ""},
		{"the primary names one that does not differ", primary, parts(each(1, a, b, d), []Fact{in(9, did(c, 1, 1, 1)), restored(c, 1), names(a, b), names(a, b)}), "honesty"},
		{"gone by itself, and not named", durable, parts(apart, []Fact{did(a, 2, 1, 2), did(b, 2, 1, 2), did(c, 2, 1, 2)}, end), ""},
		{"gone by itself, and named", durable, parts(apart, []Fact{did(a, 2, 1, 2), did(b, 2, 1, 2), did(c, 2, 1, 2), names(a, c)}, end), ""},
		{"a crash ends it", durable, parts(apart, []Fact{fell(c), restored(c, 1)}, end), ""},
		{"nobody has looked at the state", durable, parts(each(1, a), []Fact{in(0, did(b, 1, 1, 1))}, end), ""},

		{"two differ, and all stop", durable, parts(each(1, a), []Fact{in(9, did(b, 1, 1, 1)), halts(a), halts(b)}, end), ""},
		{"two differ, all stop, and one is started anew before the other says so", durable, parts(each(1, a), []Fact{in(9, did(b, 1, 1, 1)), halts(a), fell(b), halts(c)}, end), ""},
		{"two differ, and one goes on", durable, parts(each(1, a), []Fact{in(9, did(b, 1, 1, 1)), halts(a), did(a, 2, 1, 2)}), "honesty"},
		{"it goes on when it has another state", durable, parts(each(1, a), []Fact{in(9, did(b, 1, 1, 1)), halts(a), halts(b), restored(b, 1), did(b, 2, 1, 2)}), ""},
		{"all stop without a reason", durable, parts(each(1, a, b), []Fact{halts(a)}), "honesty"},
		{"all stop, and the reason is just gone", durable, parts(back, []Fact{halts(a)}), ""},
		{"one stops again, and there is no other reason", durable, parts(back, []Fact{halts(a), restored(a, 1), halts(a)}), "honesty"},

		{"proven", durable, parts(each(1, a, b), []Fact{of(Proven, a, b, 1)}), ""},
		{"proven, and it differs", durable, parts(apart, []Fact{of(Proven, a, c, 1)}), "honesty"},
		{"proven, and it was restored", durable, parts(back, []Fact{of(Proven, a, c, 1)}), ""},
		{"proven, and it has not come so far", durable, parts(each(1, a, b), []Fact{did(a, 2, 1, 2), of(Proven, a, b, 2)}), "honesty"},
		{"proven, and it was there once", durable, parts(each(1, a, b), []Fact{fell(b), of(Proven, a, b, 1)}), ""},
		{"proven in a life that is lost", volatile, parts(each(1, a, b), []Fact{perished, of(Proven, a, b, 1)}), "honesty"},
		{"other states in another life", volatile, parts(each(1, a, b), []Fact{fell(a), fell(b), perished, in(9, did(a, 1, 1, 1)), in(9, did(b, 1, 1, 1))}, end), ""},
	})
}

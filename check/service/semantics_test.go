package service

import "testing"

// TestSemantics: what each semantics allows, and what breaks it.
func TestSemantics(t *testing.T) {
	all := Setting{Majority: true, Semantics: true, Replies: true}
	lost := Setting{Majority: true, Semantics: true, Volatile: true}
	var histories []history
	add := func(how Semantics, name string, s Setting, broken bool, facts ...Fact) {
		h := history{name: semanticsNames[how] + ": " + name, setting: s}
		for _, f := range facts {
			if f.Kind == Called {
				f.Semantics = how
			}
			h.facts = append(h.facts, f)
		}
		if broken {
			h.broken = semanticsNames[how]
		}
		histories = append(histories, h)
	}
	for _, how := range []Semantics{ExactlyOnce, AtMostOnce, AtLeastOnce, Maybe} {
		call, once := swap(1, 1, 5), how != AtLeastOnce
		add(how, "once, by all", all, false, call, did(a, 1, 1, 1), did(b, 1, 1, 1), get(1, 1, 0), did(c, 1, 1, 1), calm, ended)
		add(how, "never, and given up", all, false, call, told(Unknown, 1, 1), calm, ended)
		add(how, "after it was given up", all, false, call, told(Unknown, 1, 1), did(a, 1, 1, 1), calm, ended)
		add(how, "twice", all, once, call, did(a, 1, 1, 1), did(a, 2, 1, 1))
		add(how, "twice, given up between", all, once, call, did(a, 1, 1, 1), told(Unknown, 1, 1), did(a, 2, 1, 1))
		add(how, "twice, as two requests", all, once, call, did(a, 1, 1, 1), sent(1, 1, 8, 1), did(a, 2, 8, 1))
		add(how, "twice, by two members", all, once, call, did(a, 1, 1, 1), fell(a), restored(b, 1), did(b, 2, 1, 1))
		add(how, "answered before", all, true, call, get(1, 1, 0), did(a, 1, 1, 1))
		add(how, "answered, by nobody", all, true, call, get(1, 1, 0))
		add(how, "answered what nobody has replied", all, true, call, did(a, 1, 1, 1), get(1, 1, 7))
		add(how, "the client crashes, and it is executed", all, false, call, gone(1), did(a, 1, 1, 1), calm, ended)
		add(how, "the client crashes, and it is executed twice", all, once, call, gone(1), did(a, 1, 1, 1), did(a, 2, 1, 1))
		add(how, "once in each life of the service", lost, false, call, did(a, 1, 1, 1), perished, did(a, 1, 1, 1), get(1, 1, 0), calm, ended)
	}
	again := []Fact{swap(1, 1, 5), did(a, 1, 1, 1), did(a, 2, 1, 1)}
	add(AtLeastOnce, "the reply of the second", all, false, append(again, saying(5, did(a, 3, 1, 1)), get(1, 1, 5), calm, ended)...)
	add(ExactlyOnce, "the judge of another says nothing", all, false, with(Maybe, swap(1, 1, 5)))
	run(t, histories)
}

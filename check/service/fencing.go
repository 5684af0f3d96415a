package service

import "fmt"

// grants are the greatest tokens of a lock.
type greatest struct{ exclusive, shared uint64 }

// older says whether a token is older than one that excludes it.
func (g greatest) older(token uint64, shared bool) bool {
	return token < g.exclusive || !shared && token < g.shared
}

// above gives the token that it is older than.
func (g greatest) above(token uint64, shared bool) uint64 {
	if token < g.exclusive {
		return g.exclusive
	}
	return g.shared
}

func (g greatest) with(token uint64, shared bool) greatest {
	if shared {
		g.shared = max(g.shared, token)
	} else {
		g.exclusive = max(g.exclusive, token)
	}
	return g
}

// token is a token of a lock.
type token struct {
	key   uint32
	value uint64
}

// owner is who was given a token.
type owner struct {
	client int // 0: not known
	shared bool
}

// fencing: tokens grow, and the resource takes no older one.
type fencing struct {
	setting Setting
	told    bool                // there are grants in this history
	granted map[uint32]greatest // by lock
	assert  map[uint32]greatest // in this life
	wrote   map[uint32]greatest
	owners  map[token]owner
	broken  map[uint32]uint64 // the greatest token when somebody broke all
	one     map[token]bool    // tokens that were broken by themselves
}

// Fencing judges each grant: its token is greater than all of that lock that were granted
// before; and each write that the resource took: its token was given to that client, and
// none was taken before that excludes it and is greater. Those who share a lock may write in
// any order among themselves. A token that is asserted anew is one that was granted, and is
// not older than one that excludes it; unless its lock was broken, which a service that has
// lost its state does not know: then it is not older than one that was asserted before.
func Fencing(s Setting) Judge {
	return &fencing{
		setting: s, granted: map[uint32]greatest{}, assert: map[uint32]greatest{}, wrote: map[uint32]greatest{}, owners: map[token]owner{},
		broken: map[uint32]uint64{}, one: map[token]bool{},
	}
}

// Promise names the promise.
func (j *fencing) Promise() string { return "fencing" }

// Hear judges a grant, a belief or a write.
func (j *fencing) Hear(f *Fact) error {
	g, t := j.granted[f.Key], token{f.Key, f.Value}
	o, known := j.owners[t]
	switch f.Kind {
	case Granted:
		if last := max(g.exclusive, g.shared); f.Value <= last {
			return fmt.Errorf("session %d is granted lock %d with token %d after a token %d was given", f.Session, f.Key, f.Value, last)
		}
		j.told = true
		j.granted[f.Key] = g.with(f.Value, f.Shared)
		whose := f.Client
		if known && o.client != whose {
			whose = 0 // either's
		}
		j.owners[t] = owner{whose, f.Shared}
	case Reasserted:
		if f.Value == 0 {
			break
		}
		if !known {
			return fmt.Errorf("session %d is believed to have lock %d with token %d, which nobody was given", f.Session, f.Key, f.Value)
		}
		return j.asserted(f, g)
	case Broken:
		if j.one[t] = true; f.Value == 0 {
			j.broken[f.Key] = max(g.exclusive, g.shared)
		}
	case Held:
		if j.told && !known {
			return fmt.Errorf("client %d holds lock %d with token %d, which nobody was given", f.Client, f.Key, f.Value)
		}
		return j.belongs(f, o)
	case Wrote:
		return j.write(f, o, known)
	case Perished:
		clear(j.assert)
		if !j.setting.Reassert {
			clear(j.granted) // tokens may come again, for others
		}
	}
	return nil
}

// asserted judges a token that is asserted anew.
func (j *fencing) asserted(f *Fact, g greatest) error {
	a := j.assert[f.Key]
	if broken := f.Value <= j.broken[f.Key] || j.one[token{f.Key, f.Value}]; !broken && g.older(f.Value, f.Shared) {
		return fmt.Errorf("session %d is believed to have lock %d with token %d after a token %d was given", f.Session, f.Key, f.Value, g.above(f.Value, f.Shared))
	}
	if a.older(f.Value, f.Shared) {
		return fmt.Errorf("session %d is believed to have lock %d with token %d after a token %d was asserted", f.Session, f.Key, f.Value, a.above(f.Value, f.Shared))
	}
	j.assert[f.Key] = a.with(f.Value, f.Shared)
	return nil
}

// belongs judges whether a token is used by whom it was given to.
func (j *fencing) belongs(f *Fact, o owner) error {
	if o.client != 0 && f.Client != 0 && o.client != f.Client {
		return fmt.Errorf("client %d uses token %d of lock %d, which client %d was given", f.Client, f.Value, f.Key, o.client)
	}
	return nil
}

func (j *fencing) write(f *Fact, o owner, known bool) error {
	shared := f.Shared
	if known {
		shared = o.shared
	}
	w := j.wrote[f.Key]
	if w.older(f.Value, shared) {
		return fmt.Errorf("the resource of lock %d took a write under token %d after one under %d", f.Key, f.Value, w.above(f.Value, shared))
	}
	j.wrote[f.Key] = w.with(f.Value, shared)
	if j.told && !known {
		return fmt.Errorf("the resource of lock %d took a write under token %d, which nobody was given", f.Key, f.Value)
	}
	return j.belongs(f, o)
}

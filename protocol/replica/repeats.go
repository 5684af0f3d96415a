package replica

import "github.com/holdfast-ha/holdfast/protocol/session"

// Name is what a request is known by when it comes again; the zero Name is that of none that
// can be told from another.
type Name struct {
	session session.ID
	nonce   uint64
	number  uint64
	verb    session.Verb
	how     session.Semantics
}

// NameOf is the name of a request. Requests with the same name are one: a remembered call or
// its cancelling by its number in the session; a call at least once by the number that its
// client has given it, unless that is 0. What is sent once, opens, renews or closes has none:
// it is small, or no second one comes.
func NameOf(r *session.Request) Name {
	switch {
	case r.Session == 0 || r.Number == 0:
		return Name{}
	case r.Verb == session.Cancel || r.Verb == session.Call && r.How != session.Maybe:
		return Name{r.Session, r.Nonce, r.Number, r.Verb, r.How}
	}
	return Name{}
}

// Repeats knows which requests are under way at a member, so that one that comes again is not
// ordered again: it would be work for all members, and with a large request the more of it
// the busier they are. Who asked last is answered: the connection before may be gone. The zero
// value knows none. It holds as many as are under way.
type Repeats struct{ asked map[Name]Client }

// Again takes a request. True: it is under way already, and its answer goes to from. False:
// it is from now on, until End.
func (r *Repeats) Again(n Name, from Client) bool {
	if n == (Name{}) {
		return false
	}
	if _, is := r.asked[n]; is {
		r.asked[n] = from
		return true
	}
	if r.asked == nil {
		r.asked = map[Name]Client{}
	}
	r.asked[n] = from
	return false
}

// End tells that a request of client is not under way any more, and gives whom its answer is
// for.
func (r *Repeats) End(n Name, client Client) Client {
	if n == (Name{}) {
		return client
	}
	if last, is := r.asked[n]; is {
		delete(r.asked, n)
		return last
	}
	return client
}

// Clear forgets all.
func (r *Repeats) Clear() { clear(r.asked) }

package group

import (
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Ballot numbers the attempts at ending one view. Greater ballots win; By makes those of
// different proposers different.
type Ballot struct {
	Round uint32
	By    view.ID
}

// Less orders ballots.
func (b Ballot) Less(o Ballot) bool {
	if b.Round != o.Round {
		return b.Round < o.Round
	}
	return b.By < o.By
}

// Outcome is how a view ends: what the members of a view agree on, once.
type Outcome struct {
	Of    view.Name  // the view that ends; the zero Name for the founding
	Next  view.View  // what follows; without seats the group ends
	Stay  uint32     // which seats of Next, by rank, come from the old view with its cut; the others come new
	Cut   view.Cut   // what is delivered in the old view, by its ranks
	Era   view.Epoch // of a durable group: since which founding its state goes on; else 0
	Base  Standing   // of a durable group's founding: the state that it begins with
	First bool       // it begins with nothing
	Close bool       // nothing follows here: the members ask to be let into another component
}

// stays says whether this life comes from the old view into the next.
func (o *Outcome) stays(m view.Member) bool {
	return o.Next.Has(m) && o.Stay&(1<<o.Next.Rank(m.ID)) != 0
}

// ends says whether a view is over by this outcome: it is the one that ends, or earlier. With
// all, views of other components that were earlier may well go on.
func (o *Outcome) ends(of view.Name, all bool) bool {
	return of == o.Of || !all && of.Less(o.Next.Name)
}

// proposal is an outcome that was accepted in a ballot.
type proposal struct {
	ballot  Ballot
	outcome *Outcome // nil: none was
}

package census

import "time"

// Version of [Status] in JSON. It changes when a field gets another meaning or goes; new
// ones may come.
const Version = 1

// Status is what a process knows of itself and the others, as plain values. Members are
// given by name, times of waiting in milliseconds.
type Status struct {
	Version     int               `json:"version"`
	At          time.Time         `json:"at"`
	Cluster     string            `json:"cluster"`
	Fingerprint string            `json:"fingerprint"` // of what all members must agree on
	Member      string            `json:"member"`      // this one
	ID          uint16            `json:"id"`
	Incarnation uint64            `json:"incarnation,string"`
	Votes       int               `json:"votes"`
	Witness     bool              `json:"witness,omitempty"`
	Members     []Member          `json:"members"` // the others
	Groups      []Group           `json:"groups"`
	Refusals    []Refusal         `json:"refusals,omitempty"` // by the transport
	Counters    map[string]uint64 `json:"counters,omitempty"` // of what happened, since the start
}

// Member is what is known of another member.
type Member struct {
	Name        string            `json:"name"`
	ID          uint16            `json:"id"`
	Votes       int               `json:"votes"`
	Witness     bool              `json:"witness,omitempty"`
	Incarnation uint64            `json:"incarnation,omitempty,string"`
	State       string            `json:"state"`     // one of the constants
	Suspicion   float64           `json:"suspicion"` // φ: -log10 of the probability that it is only late
	SilentMS    float64           `json:"silent_ms"`
	PatienceMS  float64           `json:"patience_ms"` // the silence after which it is suspected
	Flaps       float64           `json:"flaps,omitempty"`
	Links       []Link            `json:"links"`
	Refused     string            `json:"refused,omitempty"` // why it cannot be spoken with
	Dropped     map[string]uint64 `json:"dropped,omitempty"` // its frames, by reason
}

// What a member is to the failure detector.
const (
	NeverHeard = "never heard"
	Trusted    = "trusted"
	Suspected  = "suspected"
)

// Link is one way to a member.
type Link struct {
	Address string `json:"address,omitempty"` // the member's there
	Heard   bool   `json:"heard"`             // the member is heard
	Hears   bool   `json:"hears"`             // it says that it hears this one
}

// Group is where a group stands.
type Group struct {
	Name string `json:"name"`

	// The conclusions, filled in by Judge from all that follows.

	Verdict  string   `json:"verdict"`          // whole, degraded, blocked, joining
	Survives int      `json:"survives"`         // how many members more may fail at once
	Why      []string `json:"why"`              // causes, the worst first; empty when whole
	Action   string   `json:"action,omitempty"` // what to do about the first cause
	See      string   `json:"see,omitempty"`    // where the guide treats it

	// The facts.

	Two       *Two    `json:"two,omitempty"` // it is a service of two servers, and no group
	Terms     string  `json:"terms"`         // what all members must agree on
	All       bool    `json:"all,omitempty"`
	State     string  `json:"state"` // asking, in, leaving, idle
	View      *View   `json:"view,omitempty"`
	Seats     []Seat  `json:"seats"` // of the view, in order of seniority
	Views     []View  `json:"views"` // that this member was in, oldest first; the last 32
	Votes     int     `json:"votes"` // that are heard
	Needed    int     `json:"needed"`
	Blocked   bool    `json:"blocked,omitempty"`
	Refused   string  `json:"refused,omitempty"`
	Refuses   []Turn  `json:"refuses,omitempty"` // who asks under other terms, and what differs
	Change    *Flush  `json:"change,omitempty"`
	Slow      string  `json:"slow,omitempty"` // who holds this member's messages up
	SlowMS    float64 `json:"slow_ms,omitempty"`
	Lag       []Lag   `json:"lag,omitempty"`       // who has not all of this member's messages
	Throttled bool    `json:"throttled,omitempty"` // the application does not ask for its events
	Queued    int     `json:"queued"`              // bytes that wait to be sent
	// Service is the replica of the service of this name; nil: it is a group without one.
	Service   *Service `json:"service,omitempty"`
	Held      []Held   `json:"held,omitempty"` // the first 100
	HeldCount int      `json:"held_count"`
	// Of the state, when there is one: who is given it, or who gives it.
	Serving  []string `json:"serving,omitempty"`
	Fetching string   `json:"fetching,omitempty"`
	Received uint64   `json:"received,omitempty"` // bytes of it
	Total    uint64   `json:"total,omitempty"`    // 0: not known yet
}

// Proceed is what a person says of the group's other server: it is gone. This one goes on alone.
type Proceed struct {
	Group string `json:"group"`
}

// Two is where one of two servers of a service stands.
type Two struct {
	Role   string `json:"role"`         // backup, primary, alone, empty, halted; arbiter
	Epoch  uint64 `json:"epoch,string"` // in which it has it
	Silent bool   `json:"silent"`       // the other is
	Index  uint64 `json:"index"`        // of the last command
	Stable uint64 `json:"stable"`       // up to which both have it
	Whole  bool   `json:"whole"`        // one more failure is survived
	Serves bool   `json:"serves"`       // it has the state
	// Alone is who goes on when the two do not hear one another: "witness NAME", "prefer NAME" or "freeze", as in the
	// configuration; "": whom the store lets.
	Alone string `json:"alone,omitempty"`
}

// Seat is a member's place in the view.
type Seat struct {
	Name        string    `json:"name"`
	ID          uint16    `json:"id"`
	Incarnation uint64    `json:"incarnation,string"`
	Votes       int       `json:"votes"`
	Witness     bool      `json:"witness,omitempty"`
	Since       time.Time `json:"since,omitzero"` // of the first of the views without a gap, as far as this member knows
}

// View is a view, with what led to it.
type View struct {
	Epoch    uint64    `json:"epoch,string"`
	Name     string    `json:"name"`
	Members  []string  `json:"members"`
	At       time.Time `json:"at,omitzero"`
	Came     []Turn    `json:"came,omitempty"` // since the view before
	Gone     []Turn    `json:"gone,omitempty"`
	Note     string    `json:"note,omitempty"`    // on this member's way to the view
	TookMS   float64   `json:"took_ms,omitempty"` // from the first word of the change to its end
	Leader   string    `json:"leader,omitempty"`  // who led the change
	Waited   string    `json:"waited,omitempty"`  // who held it up; only the leader knows
	WaitedMS float64   `json:"waited_ms,omitempty"`
}

// Turn is a member that came or went.
type Turn struct {
	Name string `json:"name"`
	Why  string `json:"why"` // in words
	Left bool   `json:"left,omitempty"`
}

// Flush is a view change that goes on.
type Flush struct {
	Stage   string   `json:"stage"` // collecting, filling, proposing; following if another member leads it
	SinceMS float64  `json:"since_ms"`
	Waits   []string `json:"waits"` // for whom; the leader if it is another member
}

// Lag is how far a member is behind with this member's messages.
type Lag struct {
	Name    string `json:"name"`
	Packets uint64 `json:"packets"`
}

// Held is a message that is held back.
type Held struct {
	From    string `json:"from"`
	Number  uint64 `json:"number"`
	Reason  string `json:"reason"`            // one of the constants
	For     string `json:"for"`               // for whom it waits
	Message uint64 `json:"message,omitempty"` // and for which message of that member
	Words   string `json:"words"`             // filled in by Judge
}

// Why a message is held back.
const (
	Numbering   = "numbering"   // it has no place in the total order yet: a word of For is missing
	Place       = "turn"        // it has one; an earlier message, of For, is not delivered
	Dependency  = "dependency"  // it depends on a causal message of For
	Agreement   = "agreement"   // not enough members hold what For has sent
	Predecessor = "predecessor" // its sender multicast another before it, which is held
	Throttled   = "throttled"   // the application does not ask for its events
)

// Refusal is what was refused of what came from outside, without getting to a machine.
type Refusal struct {
	Reason string `json:"reason"` // wire.Reason in words, or a sentence
	Count  uint64 `json:"count"`
	Member string `json:"member,omitempty"` // who it said it was from
	Link   int    `json:"link,omitempty"`   // counted from 1
	Source string `json:"source,omitempty"` // the address that the last one came from
}

// Words gives the refusal as a sentence.
func (r *Refusal) Words() string {
	words := r.Reason
	if r.Count > 0 {
		words = count(int(r.Count), "frame") + " refused: " + r.Reason
	}
	if r.Member != "" {
		words += ", of " + r.Member
	}
	if r.Source != "" {
		words += ", from " + r.Source
	}
	return words
}

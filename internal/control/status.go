package control

import (
	"math"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Schema is the version of [Status] in JSON. Fields may be added within a version;
// what a field means does not change.
const Schema = 1

// Role is what a node does for the service.
type Role string

// The roles. A node passes them from top to bottom, and from Draining to Standby.
const (
	Waiting   Role = "waiting"   // started; has not yet found out who else is there
	Standby   Role = "standby"   // holds the others' states; would take over
	Promoting Role = "promoting" // puts the states into its kernel, then takes the addresses
	Active    Role = "active"    // holds the addresses
	Draining  Role = "draining"  // hands them over
	Stopped   Role = "stopped"   // of a peer: it said goodbye
)

// Verdict is the answer to "is the service protected?".
type Verdict string

// The verdicts. Each is also the exit code of `holdfast status`: 0, 1, 2.
const (
	// Protected: a further node may fail, and its successor holds every state, proven
	// within the last second.
	Protected Verdict = "protected"
	// Degraded: something promised is missing, but another node would take over.
	Degraded Verdict = "degraded"
	// Unprotected: the next failure stops the service, or it has stopped.
	Unprotected Verdict = "unprotected"
)

// ProofState is what is known of a peer's copy of this node's states.
type ProofState string

// The states of a proof.
const (
	Proven   ProofState = "proven"   // the peer confirmed all of it, and its digest is ours
	Behind   ProofState = "behind"   // the newest changes are not confirmed
	Diverged ProofState = "diverged" // the peer's digest differs from what it was sent
	Syncing  ProofState = "syncing"  // the peer is being sent everything
	Away     ProofState = "away"     // the peer does not answer
	Unknown  ProofState = "unknown"  // the peer was never heard of
)

// Milliseconds is a length of time in JSON, rounded to microseconds.
type Milliseconds float64

// MillisecondsOf converts a duration.
func MillisecondsOf(d time.Duration) Milliseconds {
	return Milliseconds(math.Round(float64(d)/1e3) / 1e3)
}

// String gives the length for a person.
func (m Milliseconds) String() string { return Age(m.Duration()) }

// Duration converts back.
func (m Milliseconds) Duration() time.Duration {
	return time.Duration(float64(m) * 1e6)
}

// Status is everything a node knows about the service's protection at one moment.
// Numbers that a JSON reader with 53-bit numbers would damage are strings.
type Status struct {
	Schema int `json:"schema"` // always [Schema]; the server fills it in

	// The conclusions, filled in by Judge from all that follows.

	Verdict  Verdict  `json:"verdict"`
	Survives int      `json:"survives"`         // how many more nodes may fail
	Why      []string `json:"why"`              // causes, the worst first; empty when protected
	Action   string   `json:"action,omitempty"` // what to do about the first cause, as a command
	See      string   `json:"see,omitempty"`    // where the guide treats the first cause

	// The facts, filled in by the node.

	At          time.Time        `json:"at"`      // when the facts were taken
	Version     string           `json:"version"` // of the program
	Cluster     string           `json:"cluster"`
	Node        string           `json:"node"`
	Fingerprint string           `json:"fingerprint"` // of the shared configuration, 8 hex digits
	Started     time.Time        `json:"started"`
	Role        Role             `json:"role"`
	Since       time.Time        `json:"since"` // since when the node has the role
	Epoch       view.Epoch       `json:"epoch"`
	Incarnation view.Incarnation `json:"incarnation,string"`
	Addresses   []Address        `json:"addresses"`
	Tracked     []Interface      `json:"tracked"`
	Peers       []Peer           `json:"peers"`
	Flows       Flows            `json:"flows"`
	Counters    Counters         `json:"counters"`

	// Faults are conditions that no other field can express, while they last.
	Faults []Fault `json:"faults,omitempty"`
}

// Address is one virtual address.
type Address struct {
	Prefix    string `json:"prefix"` // as in 192.0.2.1/24
	Interface string `json:"interface"`
	Held      bool   `json:"held"` // it is on this node's interface now
}

// Interface is one interface that must be up for this node to be active.
type Interface struct {
	Name string `json:"name"`
	Up   bool   `json:"up"` // exists, is up and has a carrier
}

// Peer is what a node knows of another.
type Peer struct {
	Name        string           `json:"name"`
	Priority    uint8            `json:"priority"`
	Role        Role             `json:"role"` // as it last said; "" if never heard
	Epoch       view.Epoch       `json:"epoch"`
	Incarnation view.Incarnation `json:"incarnation,string"` // 0: never heard
	Alive       bool             `json:"alive"`              // heard on a link within suspect_after
	Ready       bool             `json:"ready"`              // it says that it could take over
	Refused     string           `json:"refused,omitempty"`  // why it is not accepted, in words
	Links       []Link           `json:"links"`
	Proof       Proof            `json:"proof"`    // its copy of our states
	Received    Received         `json:"received"` // our copy of its states
}

// Link is one way to a peer.
type Link struct {
	Label    string        `json:"label"`
	Remote   string        `json:"remote"`    // the peer's address there
	Heard    bool          `json:"heard"`     // within suspect_after
	SilentMS *Milliseconds `json:"silent_ms"` // since the last datagram; null: never heard
}

// Proof is what a peer has confirmed of its copy of this node's states.
type Proof struct {
	State           ProofState    `json:"state"`
	ObjectsBehind   int           `json:"objects_behind"`     // changes it has not confirmed
	LagMS           Milliseconds  `json:"lag_ms"`             // age of the oldest of them
	Confirmed       int           `json:"confirmed"`          // objects it has confirmed to hold
	DigestOurs      string        `json:"digest_ours"`        // 16 hex digits; of what was sent
	DigestTheirs    string        `json:"digest_theirs"`      // as it last confirmed; "" if never
	LastProvenMSAgo *Milliseconds `json:"last_proven_ms_ago"` // since its digest was last ours; null: never
}

// Received is this node's copy of a peer's states.
type Received struct {
	Objects int    `json:"objects"`
	Synced  bool   `json:"synced"` // the peer's end marker has come: the copy is whole
	Gaps    uint64 `json:"gaps"`   // messages known to be missing
}

// Flows are the numbers of flows on this node.
type Flows struct {
	Own           int    `json:"own"`            // tracked by this kernel and replicated
	Held          int    `json:"held"`           // of all peers
	Kernel        int    `json:"kernel"`         // entries in the connection tracking table
	KernelMax     int    `json:"kernel_max"`     // its size, net.netfilter.nf_conntrack_max
	NotReplicated uint64 `json:"not_replicated"` // refused because max_flows was reached
}

// Counters count since the node started.
type Counters struct {
	Dropped         map[string]uint64 `json:"dropped"`          // datagrams and frames not taken, by reason
	Events          uint64            `json:"events"`           // changes read from the kernel
	Overruns        uint64            `json:"overruns"`         // times the kernel lost changes; each is followed by a dump
	Injections      uint64            `json:"injections"`       // flows put into the kernel
	InjectionErrors map[string]uint64 `json:"injection_errors"` // flows the kernel did not take, by its error
	FramesSent      uint64            `json:"frames_sent"`
	FramesReceived  uint64            `json:"frames_received"`
	BytesSent       uint64            `json:"bytes_sent"` // of datagrams, without IP headers
	BytesReceived   uint64            `json:"bytes_received"`
	Resyncs         uint64            `json:"resyncs"`   // full resyncs begun
	Nacks           uint64            `json:"nacks"`     // gaps asked for
	Takeovers       uint64            `json:"takeovers"` // times this node became active
}

// Fault is a condition the node noticed, in words for a person.
type Fault struct {
	What   string `json:"what"`             // names the thing, the value and what follows
	Action string `json:"action,omitempty"` // a command that mends it
}

// SwitchResult is what a planned handover did.
type SwitchResult struct {
	From   string       `json:"from"`
	To     string       `json:"to"`
	Epoch  view.Epoch   `json:"epoch"`   // of the new active node
	Flows  int          `json:"flows"`   // handed over, all proven
	TookMS Milliseconds `json:"took_ms"` // from the request to the peer's word that it is active
}

// Version says what program answers.
type Version struct {
	Version string `json:"version"` // "v0.1.0" or "(devel)"
	Commit  string `json:"commit"`  // "" when not built from a checkout
	Go      string `json:"go"`
	Schema  int    `json:"schema"` // of Status
}

package census

import "fmt"

// Service is where the replica of a service stands, in the group of its name.
type Service struct {
	Style string `json:"style"`
	Role  Role   `json:"role"` // one of the constants

	// The conclusions, filled in by Judge.

	// Copies is how many members have the state as this one has it, proven, this one included.
	Copies int `json:"copies"`
	// Lives is how many members may lose their memory at once, whichever they are, so that a proven
	// copy is left.
	Lives int `json:"lives"`
	// PowerCut is whether all that was answered survives that all lose their power at once, and Disks how many
	// disks may be lost, whichever they are.
	PowerCut bool `json:"power_cut"`
	Disks    int  `json:"disks"`

	// The facts.

	Index    uint64  `json:"index"`     // of the last command that was executed here
	Digest   string  `json:"digest"`    // of everything executed and the state, after it; 16 hex digits
	Stable   uint64  `json:"stable"`    // up to which commands are answered for good
	Held     int     `json:"held"`      // answers that wait for disks
	AgreedMS float64 `json:"agreed_ms"` // the agreed time: for how long the service has been served
	Sessions int     `json:"sessions"`
	Kept     int     `json:"kept_bytes"`        // of answers that are kept for sessions
	Stopped  string  `json:"stopped,omitempty"` // why nothing is executed any more
	// Damaged is whether that is since the state here is damaged and nobody else has one: it is given to nobody.
	Damaged bool `json:"damaged,omitempty"`
	// Spoiled is whether what is in memory is not what the disk has, so that this member takes no part in a founding and waits
	// for another's state.
	Spoiled bool `json:"spoiled,omitempty"`
	// WindowMS is for how long the service hears from its clients what it held, when it has lost its state or begins; 0: it
	// does not. RecoveringMS is for how long it still does now, and grants nothing.
	WindowMS     float64 `json:"window_ms,omitempty"`
	RecoveringMS float64 `json:"recovering_ms,omitempty"`
	Told         bool    `json:"told"` // digests are compared: it is known how far the others' copies are proven
	Copy         []Copy  `json:"members"`
	Disk         *Disk   `json:"disk,omitempty"` // nil: memory only
	Jobs         *Jobs   `json:"jobs,omitempty"` // nil: it takes none
}

// Jobs are the calls that run long at this member.
type Jobs struct {
	Orphans  string            `json:"orphans"` // what is done about those whose client has died
	Running  int               `json:"running"`
	Done     uint64            `json:"done"`
	Failed   uint64            `json:"failed"`
	Declined uint64            `json:"declined"`
	Stopped  map[string]uint64 `json:"stopped"` // by why, in words
}

// Role is what a member does for a service.
type Role string

// The roles.
const (
	Serving    Role = "serving"       // it executes, and answers its clients
	Joins      Role = "joining"       // it is not in the group, or has not the state yet
	ServiceOff Role = "stopped"       // replicas differ, and nobody knows who is right
	Waits      Role = "waiting"       // it does not go on for want of votes
	FewDisks   Role = "without disks" // it goes on, and may answer nothing: too few votes have disks
)

// Copy is what is known of another member's copy of the state.
type Copy struct {
	Name     string  `json:"name"`
	Proof    Proof   `json:"proof"`           // one of the constants
	Index    uint64  `json:"index"`           // up to which it has told its digest
	Behind   uint64  `json:"behind"`          // commands that this member has executed, and of which that one has not told
	BehindMS float64 `json:"behind_ms"`       // since when
	Saved    uint64  `json:"saved,omitempty"` // up to which its disk has it
	HasDisk  bool    `json:"has_disk,omitempty"`
}

// Proof is what is known of a copy.
type Proof string

// The proofs.
const (
	Proven   Proof = "proven"   // its digest is this member's, up to the last command
	Behind   Proof = "behind"   // it has not told of the last commands yet
	Diverged Proof = "diverged" // its digest is another
	Away     Proof = "away"     // it is not in the view
	Untold   Proof = "not told" // replies are compared, and digests say nothing
)

// Disk is what this member keeps.
type Disk struct {
	Path      string `json:"path"`
	Saved     uint64 `json:"saved"` // up to which command it is synced
	Bytes     uint64 `json:"bytes"` // written to the log since the start
	Commits   uint64 `json:"commits"`
	Snapshots uint64 `json:"snapshots"`
	Segments  int    `json:"segments"`
	Pending   int    `json:"pending_bytes"`
}

// behindUsual is for how long a copy may be behind before anybody is told: members tell their digest after
// a fifth of a second of rest. In milliseconds.
const behindUsual = 1000

// judgeService concludes what of the service is safe.
func (j *judge) judgeService() {
	s := j.g.Service
	if s == nil {
		return
	}
	s.Copies, s.Lives, s.Disks, s.PowerCut = 0, 0, 0, false
	if j.g.View == nil && s.Spoiled {
		j.add(weightStop, seeService, "if no member serves, restart the process of "+j.Member+", which then has what is on its disk",
			"what %s has in memory was given up: it waits for the state of another, and the group is not founded anew with what is on its disk", j.Member)
	}
	if j.g.View == nil || s.Role == Joins {
		return
	}
	s.Copies = 1
	disks := 0
	if s.Disk != nil && s.Disk.Saved >= s.Stable {
		disks++
	}
	for i := range s.Copy {
		c := &s.Copy[i]
		if m := j.member(c.Name); m != nil && m.State != Trusted {
			c.Proof = Away // what it has told is of a life that may be over
		}
		if c.Proof == Proven {
			s.Copies++
		}
		if c.HasDisk && c.Saved >= s.Stable {
			disks++
		}
		j.judgeCopy(c)
	}
	if s.Told {
		s.Lives = s.Copies - 1
	}
	if s.Disk != nil {
		s.PowerCut = true // answers wait for it
		s.Disks = max(0, min(disks-1, j.disksSpare()))
	}
	switch s.Role {
	case ServiceOff:
		j.add(weightRefused, seeService, s.remedy(j.Member), "the service has stopped: %s", s.Stopped)
	case FewDisks:
		j.add(weightStop, seeService, "start what is missing", "nobody is answered: fewer than more than half of the configured votes have a disk here")
	}
}

// remedy is what makes a service go on that has stopped.
func (s *Service) remedy(member string) string {
	switch {
	case !s.Damaged:
		return "mend the service, then restart all members"
	case s.Disk != nil:
		return "restart the process of " + member + ": it goes on from what is on its disk"
	}
	return "restart the process of " + member + ": what only it knew is lost, and the service goes on with what another member had last, or with nothing"
}

// disksSpare is how many disks a service can do without when it begins again: more than half of the
// configured votes must remember, whichever disks are lost.
func (j *judge) disksSpare() int {
	all, onDisks, most := j.Votes, j.Votes, j.Votes
	if j.Witness {
		onDisks, most = 0, 0
	}
	for i := range j.Members {
		m := &j.Members[i]
		if all += m.Votes; !m.Witness {
			onDisks, most = onDisks+m.Votes, max(most, m.Votes)
		}
	}
	spare := 0
	for onDisks-(spare+1)*most >= all/2+1 {
		spare++
	}
	return spare
}

func (j *judge) judgeCopy(c *Copy) {
	switch {
	case c.Proof == Diverged && j.g.Service.Role == ServiceOff: // nobody knows which state is the right one
		j.add(weightStop, seeService, "", "the copy of %s is another one", c.Name)
	case c.Proof == Diverged:
		j.add(weightStop, seeService, "", "the copy of %s has diverged; it is given the state of the others", c.Name)
	case c.Proof == Behind && c.BehindMS > behindUsual:
		j.add(weightSlow, seeService, "holdfast group why, at "+c.Name, "the copy of %s is not proven: behind by %s for %s", c.Name, count(int(c.Behind), "command"), Age(c.BehindMS))
	}
}

// Survives says in words what may be lost now.
func (s *Service) Survives() []string {
	var words []string
	switch {
	case s.Copies == 0:
		return []string{"is not here"}
	case s.Damaged:
		words = append(words, "is damaged here, given to nobody, and nobody else has it")
	case !s.Told:
		words = append(words, "how far the other copies are proven is not told: replies are compared, and states may differ")
	case s.Lives == 0:
		words = append(words, "is proven in this member's memory only")
	default:
		words = append(words, fmt.Sprintf("survives the crash of any %d of the %d members whose copies are equal", s.Lives, s.Copies))
	}
	switch {
	case s.Disk == nil && s.WindowMS > 0:
		words = append(words, "does NOT survive a power cut of all: it is in memory; its clients then have "+Age(s.WindowMS)+" to tell what they held")
	case s.Disk == nil:
		words = append(words, "does NOT survive a power cut of all: it is in memory")
	case s.Disks > 0:
		words = append(words, fmt.Sprintf("survives a power cut of all, and with it the loss of any %s", count(s.Disks, "disk")))
	default:
		words = append(words, "survives a power cut of all, if no disk is lost with it")
	}
	return words
}

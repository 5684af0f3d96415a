package holdfast

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/internal/driver/desk"
	"github.com/holdfast-ha/holdfast/internal/driver/front"
	"github.com/holdfast-ha/holdfast/protocol/call"
)

// Orphans says what is done about jobs whose client has died.
type Orphans = call.Answer

// The answers to orphans (B. J. Nelson, 1981).
const (
	// Extermination: a client notes each job before it sends it (client.Config.Notes), and in its next
	// life names those that were open. They are stopped, and not begun if they come later. Jobs of a
	// client that never comes back run to their end.
	Extermination = call.Extermination
	// Reincarnation: a new life of a client stops all jobs of its former ones.
	Reincarnation = call.Reincarnation
	// GentleReincarnation: a new life of a client stops those jobs of its former ones that nobody
	// wants: the process that began them is asked if it is still there, and else the new one
	// (client.Config.Owns).
	GentleReincarnation = call.Gentle
	// Expiration: a job may run for a quantum, and is stopped then unless its client, which is asked
	// in time, gives it another. It needs no client that comes back.
	Expiration = call.Expiration
)

// Jobs says how a service takes calls that run long: package client's Run.
//
// A job runs at the member that takes it, and at no other; if that one dies, the job has ended
// and its client is told that nobody knows how far it came. It is begun at most once. A member that loses its place
// (it is expelled, or does not hear enough others to go on) stops its jobs: others may do the work by then, and look
// after what they take for orphans. It notices a moment later than they may have: Job.Epoch tells late work from new.
type Jobs struct {
	// Run does a job. ctx is done when it is to stop, because nobody wants its result any more: it was
	// cancelled, its deadline has passed, its client has died, this member has lost its place, or the service ends here;
	// context.Cause says which. What it returns then is not waited for, but Run should return soon.
	Run func(ctx context.Context, j Job) ([]byte, error)
	// Orphans is what is done when a client dies; 0: Expiration.
	Orphans Orphans
	// Quantum is how long a job may run with Expiration before its client has to ask for more. 0: 10 s.
	Quantum time.Duration
	// Locate is for how long an owner is looked for with GentleReincarnation. 0: 2 s.
	Locate time.Duration
	// Most is how many jobs run here at once; others are declined, and go to another member. 0: 64.
	Most int
}

// Job is a call that runs long.
type Job struct {
	Client string // the name that its client has in all its lives
	Life   uint64 // of the client; later ones are greater
	Number uint64 // of its jobs in that life
	// Epoch is of the view in which the member has taken it. Give it to what the job changes elsewhere, so
	// that it can refuse an older one.
	Epoch uint64
	Body  []byte
}

// takeJobs makes the desk; nil if there are to be no jobs.
func (s *Service) takeJobs(cfg *Jobs) (*desk.Desk, error) {
	if cfg == nil {
		return nil, nil
	}
	if cfg.Run == nil {
		return nil, errors.New("there is no Jobs.Run; give a function that does them")
	}
	orphans := call.OrphanConfig{Answer: cfg.Orphans, Quantum: cfg.Quantum, Locate: cfg.Locate}
	if orphans.Answer == 0 {
		orphans.Answer = Expiration
	}
	return desk.New(desk.Config{
		Orphans: orphans, Most: cfg.Most, Life: uint64(time.Now().UnixNano()),
		Run:    func(ctx context.Context, j desk.Job) ([]byte, error) { return cfg.Run(ctx, Job(j)) },
		Serves: s.serves,
		Send:   func(client uint64, b []byte) { s.front.Post(client, front.Job, b) },
	})
}

// heed takes a client's message about jobs.
func (s *Service) heed(client uint64, b []byte) {
	if s.desk == nil {
		desk.Refuse(b, func(b []byte) { s.front.Post(client, front.Job, b) })
		return
	}
	s.desk.Receive(client, b)
}

// parted tells that a client's connection is gone.
func (s *Service) parted(client uint64) {
	if s.replica != nil {
		s.replica.Forget(client)
	}
	if s.desk != nil {
		s.desk.Gone(client)
	}
}

// serves says whether this member takes clients' requests, and the epoch of its view.
func (s *Service) serves() (epoch uint64, serves bool) {
	if s.replica == nil {
		return 0, false
	}
	return s.replica.Leads()
}

// jobsStatus tells of the jobs; nil if the service takes none.
func (s *Service) jobsStatus() *census.Jobs {
	if s.desk == nil {
		return nil
	}
	c := s.desk.Counts()
	j := &census.Jobs{
		Orphans: s.desk.Answer().String(), Running: c.Running, Done: c.Done, Failed: c.Failed, Declined: c.Refused, Stopped: map[string]uint64{},
	}
	for i, n := range c.Stopped {
		if n > 0 {
			j.Stopped[desk.Reason(i).Why()] = n
		}
	}
	return j
}

// endJobs stops what runs.
func (s *Service) endJobs() {
	if s.desk != nil {
		s.late = s.desk.Close(leaveMax)
	}
}

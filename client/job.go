package client

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/job"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Job names a call that runs long, of this life of the client or a former one.
type Job struct {
	Life   uint64
	Number uint64 // from 1
}

// JobError is why a job has no result.
type JobError struct {
	Job     Job
	Outcome Outcome // Executed: it was begun, and it or the service says how it ended; Unknown: it may have been, and go on
	Class   Class   // what the failure may have been; 0: nobody has failed
	Text    string
}

// Error says what became of the job.
func (e *JobError) Error() string {
	text := fmt.Sprintf("job %d of life %d: %s", e.Job.Number, e.Job.Life, e.Text)
	if e.Class != 0 {
		text += " (" + e.Class.String() + ")"
	}
	return text
}

// jobs is what a client knows of its jobs. All of it is under the client's lock.
type jobs struct {
	life    uint64
	numbers uint64
	open    map[Job]*errand
	notes   *notes // nil: nothing is noted
	former  []Job  // of former lives, that were open
	told    map[view.ID]bool
	news    chan struct{} // closed when something has changed that who waits may want to know
}

// errand is a job that is waited for.
type errand struct {
	Job
	at     view.ID // where it was begun; Nobody: nowhere
	server uint64  // the life of that member
	said   chan word
	unsure bool // it may go on
}

// word is what a server says of a job, or what happened to the server.
type word struct {
	from view.ID
	m    job.Message
	gone bool // the member that had it has died
}

func newJobs(cfg *Config) (*jobs, error) {
	j := &jobs{life: uint64(time.Now().UnixMicro()), open: map[Job]*errand{}, told: map[view.ID]bool{}, news: make(chan struct{})}
	switch {
	case cfg.Identity == "" && (cfg.Notes != "" || cfg.Owns != nil):
		return nil, errors.New("client: Notes and Owns are for jobs, and there is no Identity; give the name that this client has in all its lives")
	case len(cfg.Identity) > job.NameMax:
		return nil, fmt.Errorf("client: the Identity has %d bytes; give it 1 to %d", len(cfg.Identity), job.NameMax)
	case cfg.Notes == "":
		return j, nil
	}
	var err error
	if j.notes, j.former, err = openNotes(cfg.Notes, &j.life); err != nil {
		return nil, err
	}
	return j, nil
}

// changed wakes who waits for something to change.
func (j *jobs) changed() {
	close(j.news)
	j.news = make(chan struct{})
}

// Life is this life of the client, as the service's jobs are given it.
func (c *Client) Life() uint64 { return c.jobs.life }

// Run has a member do what takes long ([github.com/holdfast-ha/holdfast.Jobs]), and waits for the result. The job is begun at
// most once, at one member; if that member dies, or nothing is known of the job when its connection is there again, the
// error is a [*JobError] with the outcome Unknown. When ctx is done the job is told to stop. Config.Identity must be set.
func (c *Client) Run(ctx context.Context, body []byte) ([]byte, error) {
	switch {
	case c.cfg.Identity == "":
		return nil, errors.New("client: Run without Config.Identity; give the name that this client has in all its lives, so that its jobs can be known when it has died")
	case len(body) > BodyMax:
		return nil, fmt.Errorf("client: the job's argument has %d bytes, and %d is the most; split it", len(body), BodyMax)
	}
	e, err := c.openErrand(Job{})
	if err != nil {
		return nil, err
	}
	defer c.closeErrand(e)
	tried := map[view.ID]string{}
	for {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, e.none(tried))
		}
		news, placed := c.place(ctx, e, body, tried)
		if placed {
			w, err := c.hear(ctx, e)
			if err != nil {
				return nil, err
			}
			if w.m.Verb != job.Declined {
				return e.end(&w)
			}
			if w.m.Why == job.Orphaned || w.m.Why == job.Unsupported {
				return nil, &JobError{Job: e.Job, Outcome: NotExecuted, Text: "a member declines it: " + declined[w.m.Why]}
			}
			tried[w.from] = declined[w.m.Why]
			continue
		}
		again := time.NewTimer(c.cfg.RetryMax)
		select {
		case <-ctx.Done():
		case <-news:
		case <-again.C:
			clear(tried)
		}
		again.Stop()
	}
}

// declined says why a member does not begin a job.
var declined = [...]string{
	job.Elsewhere: "it does not serve now", job.Full: "it has as many as it may", job.Orphaned: "it is an orphan: a later life of this client has come",
	job.Unsupported: "its service takes no jobs",
}

// Resume waits for a job that a former life of this client began, at whatever member has it: one that [Config.Owns] was
// asked for. The error is a [*JobError] if no member that can be reached knows of it.
func (c *Client) Resume(ctx context.Context, of Job) ([]byte, error) {
	e, err := c.openErrand(of)
	if err != nil {
		return nil, err
	}
	defer c.closeErrand(e)
	c.mu.Lock()
	asked := map[view.ID]bool{}
	for _, l := range c.links {
		if l.pipe != nil && l.welcome {
			l.tell(job.Message{Verb: job.Attach, Name: job.Name(of)})
			asked[l.id] = true
			l.flush()
		}
	}
	c.mu.Unlock()
	for len(asked) > 0 {
		w, err := c.hear(ctx, e)
		switch {
		case err != nil:
			return nil, err
		case w.m.Verb != job.Lost && !w.gone || w.gone && len(asked) == 1:
			return e.end(&w)
		}
		delete(asked, w.from)
	}
	return nil, &JobError{Job: of, Outcome: Unknown, Class: silence, Text: "no member that can be reached knows of it"}
}

// openErrand begins to wait for a job: for a new one, if of has no number.
func (c *Client) openErrand(of Job) (*errand, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.closing {
		return nil, ErrClosed
	}
	j := c.jobs
	if of.Number == 0 {
		j.numbers++
		of = Job{j.life, j.numbers}
		if j.notes != nil {
			if err := j.notes.begin(of); err != nil {
				return nil, err // it must not be sent
			}
		}
	}
	if j.open[of] != nil {
		return nil, fmt.Errorf("client: job %d of life %d is waited for already", of.Number, of.Life)
	}
	e := &errand{Job: of, said: make(chan word, 8)}
	j.open[of] = e
	return e, nil
}

// closeErrand ends the waiting.
func (c *Client) closeErrand(e *errand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := c.jobs
	delete(j.open, e.Job)
	if j.notes != nil && !c.closed && !e.unsure {
		_ = j.notes.over(e.Job) // named once more by the next life: the members know nothing of it then
	}
	for _, l := range c.links {
		if l.id == e.at || e.at == view.Nobody {
			l.tell(job.Message{Verb: job.Heard, Name: job.Name(e.Job)})
			l.flush()
		}
	}
}

// place sends a job to a member that may do it, the one that calls go to first; false: there is none,
// and news is closed when there may be.
func (c *Client) place(ctx context.Context, e *errand, body []byte, tried map[view.ID]string) (news chan struct{}, placed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.m.Server()
	var to *link
	for _, l := range c.links {
		if _, is := tried[l.id]; l.pipe != nil && l.welcome && !is && (to == nil || l.id == first) {
			to = l
		}
	}
	if to == nil {
		return c.jobs.news, false
	}
	e.at, e.server = to.id, to.server
	m := job.Message{Verb: job.Start, Name: job.Name(e.Job), Body: body}
	if d, has := ctx.Deadline(); has {
		m.Time = max(1, time.Until(d))
	}
	to.tell(m)
	to.flush()
	return nil, true
}

// hear waits for word of a job. When ctx is done first the job is told to stop, and what it says to that is waited for a moment.
func (c *Client) hear(ctx context.Context, e *errand) (word, error) {
	select {
	case w := <-e.said:
		return w, nil
	case <-c.shut:
		e.unsure = true
		return word{}, ErrClosed
	case <-ctx.Done():
	}
	c.mu.Lock()
	for _, l := range c.links {
		if l.id == e.at {
			l.tell(job.Message{Verb: job.Cancel, Name: job.Name(e.Job)})
			l.flush()
		}
	}
	c.mu.Unlock()
	enough := time.NewTimer(knowMax)
	defer enough.Stop()
	select {
	case w := <-e.said:
		if w.m.Verb == job.Done {
			return w, nil
		}
		_, err := e.end(&w)
		return word{}, errors.Join(ctx.Err(), err)
	case <-c.shut:
		e.unsure = true
		return word{}, ErrClosed
	case <-enough.C:
		e.unsure = true
		return word{}, errors.Join(ctx.Err(), &JobError{Job: e.Job, Outcome: Unknown, Class: silence, Text: "it was told to stop, and nobody says that it has"})
	}
}

// none is the error of a job that no member has taken.
func (e *errand) none(tried map[view.ID]string) error {
	text := "no member has taken it"
	for _, why := range tried { //tidy:unordered any will do
		text += ": " + why
		break
	}
	return &JobError{Job: e.Job, Outcome: NotExecuted, Class: ServerNotFound, Text: text}
}

// end is what a job has returned, or why not.
func (e *errand) end(w *word) ([]byte, error) {
	fail := &JobError{Job: e.Job, Outcome: Executed}
	switch {
	case w.gone:
		fail.Outcome, fail.Class, fail.Text = Unknown, ServerCrashed, "the member that had it has died, and nobody knows how far it came"
	case w.m.Verb == job.Done:
		return append([]byte(nil), w.m.Body...), nil
	case w.m.Verb == job.Failed:
		fail.Text = string(w.m.Body)
	case w.m.Verb == job.Stopped && w.m.Why == job.Cancelled:
		fail.Text = "it was stopped: it was cancelled"
	case w.m.Verb == job.Stopped && w.m.Why == job.Closing:
		fail.Text = "it was stopped: the service ends at that member"
	case w.m.Verb == job.Stopped && w.m.Why == job.Parted:
		fail.Text = "it was stopped: the member that had it was cut off from the others, or expelled; see how far it came, and run it again"
	case w.m.Verb == job.Stopped && call.Fate(w.m.Why) == call.Overdue:
		fail.Text = "it was stopped: its deadline has passed"
		return nil, errors.Join(context.DeadlineExceeded, fail)
	case w.m.Verb == job.Stopped:
		fail.Text = "it was stopped: " + call.Fate(w.m.Why).String()
		fail.Class = ClientCrashed
	default: // Lost
		fail.Outcome, fail.Class, fail.Text = Unknown, RequestLost|ReplyLost, "the member that it was sent to knows nothing of it"
	}
	return nil, fail
}

// tell sends a message about jobs, if there is a connection. The caller has the client's lock.
func (l *link) tell(m job.Message) {
	l.send(m.Append(nil))
}

// greet says who this client is, first of all. The caller has the client's lock.
func (l *link) greet() {
	if c := l.c; c.cfg.Identity != "" {
		l.welcome = false
		l.tell(job.Message{Verb: job.Hello, Name: job.Name{Life: c.jobs.life}, Body: []byte(c.cfg.Identity)})
		l.flush()
	}
}

// heard takes what a member says of jobs. The caller has the client's lock.
func (l *link) heard(b []byte) {
	m, why := job.Parse(b)
	if why != wire.OK {
		return
	}
	c, j := l.c, l.c.jobs
	switch m.Verb {
	case job.Welcome:
		l.welcomed(&m)
	case job.Ended:
		c.exterminated(l.id)
	case job.Ask:
		verb := job.Missing
		if of := Job(m.Name); j.open[of] != nil || of.Life < j.life && c.cfg.Owns != nil && c.cfg.Owns(of) {
			verb = job.Found
		}
		l.tell(job.Message{Verb: verb, Name: m.Name})
		l.flush()
	default:
		if e := j.open[Job(m.Name)]; e != nil {
			m.Body = append([]byte(nil), m.Body...) // what came is valid during the call
			if m.Verb != job.Lost && m.Verb != job.Declined && e.at == view.Nobody {
				e.at = l.id
			}
			e.say(word{from: l.id, m: m})
		}
	}
}

// welcomed takes that a member knows this client: what it has of its, and had of its former lives, is asked for.
func (l *link) welcomed(m *job.Message) {
	j := l.c.jobs
	l.welcome = true
	for _, e := range j.open { //tidy:unordered each is asked for
		switch {
		case e.at == view.Nobody && e.Life != j.life:
			l.tell(job.Message{Verb: job.Attach, Name: job.Name(e.Job)})
		case e.at != l.id:
		case e.server != m.Life:
			e.say(word{from: l.id, gone: true})
		default:
			l.tell(job.Message{Verb: job.Attach, Name: job.Name(e.Job)})
		}
	}
	l.server = m.Life
	for rest := j.former; len(rest) > 0 && !j.told[l.id]; rest = rest[min(len(rest), job.NamesMax):] {
		var body []byte
		for _, n := range rest[:min(len(rest), job.NamesMax)] {
			body = job.AppendName(body, job.Name(n))
		}
		l.tell(job.Message{Verb: job.Names, Body: body})
	}
	l.flush()
	j.changed()
}

// exterminated notes that a member has ended the jobs of former lives. When all have, they are over.
func (c *Client) exterminated(id view.ID) {
	j := c.jobs
	if j.told[id] = true; len(j.told) < len(c.links) || j.notes == nil {
		return
	}
	for _, of := range j.former {
		_ = j.notes.over(of) // named once more by the next life, if so
	}
	j.former = nil
}

// parted follows the breaking of a connection: a member that cannot even be dialled is dead, and its jobs with it. The
// caller has the client's lock.
func (l *link) parted(err error) {
	l.welcome = false
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
		return
	}
	for _, e := range l.c.jobs.open { //tidy:unordered each is told
		if e.at == l.id || e.at == view.Nobody && e.Life != l.c.jobs.life {
			e.say(word{from: l.id, gone: true})
		}
	}
}

// say passes a word on. Who does not take it has enough of them.
func (e *errand) say(w word) {
	select {
	case e.said <- w:
	default:
	}
}

package replica

import "time"

// Silence is when the other of two servers is taken for silent, which says at each heartbeat that it is there and
// hears this one.
type Silence struct {
	Silent bool
	BothAt time.Time // when it last said that it hears this member

	hinted time.Time // a client could not reach it: silence counts from then on sooner; zero: none
}

// Hint notes that a client asks here and not there. If nothing was heard for a while, two
// heartbeats more of silence are enough.
func (s *Silence) Hint(now time.Time, heartbeat time.Duration) {
	if s.hinted.IsZero() && now.Sub(s.BothAt) > heartbeat+heartbeat/2 {
		s.hinted = now.Add(2 * heartbeat)
	}
}

// At is when the other is taken for silent, if nothing comes.
func (s *Silence) At(after time.Duration) time.Time {
	at := s.BothAt.Add(after)
	if !s.hinted.IsZero() && s.hinted.Before(at) {
		return s.hinted
	}
	return at
}

// Heard notes that the other has said that it hears this member. It reports whether it was silent.
func (s *Silence) Heard(now time.Time) bool {
	was := s.Silent
	*s = Silence{BothAt: now}
	return was
}

// Excuse takes the other for heard at a time, if it was not later.
func (s *Silence) Excuse(at time.Time) {
	s.hinted = time.Time{}
	if s.BothAt.Before(at) {
		s.BothAt = at
	}
}

// Anew is the silence of the other's next life: a hint was about the one before.
func (s *Silence) Anew() Silence { return Silence{Silent: s.Silent, BothAt: s.BothAt} }

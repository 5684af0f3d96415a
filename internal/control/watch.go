package control

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"time"
)

// getWatch sends a status at once and after every change, until the caller goes or
// the server closes. A caller too slow to read is dropped.
func (s *Server) getWatch(w http.ResponseWriter, r *http.Request) {
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		fail(w, http.StatusServiceUnavailable, "there are as many watchers as the node allows", "holdfast status")
		return
	}
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")

	var last Status
	var lastSent time.Time
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		st, err := s.status(r.Context())
		var event []byte
		switch {
		case err != nil:
			event = encodeEvent("problem", problem{Error: err.Error()})
		case lastSent.IsZero() || !sameState(&last, &st):
			event = encodeEvent("status", st)
			last = st
		case time.Since(lastSent) >= keepAliveEvery:
			event = []byte(": alive\n\n")
		}
		if event != nil {
			lastSent = time.Now()
			_ = connection.SetWriteDeadline(lastSent.Add(requestWait))
			if _, err := w.Write(event); err != nil || connection.Flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-s.stopping.Done():
			return
		}
	}
}

// encodeEvent makes one server-sent event. JSON has no line breaks, so one data line
// holds it.
func encodeEvent(kind string, body any) []byte {
	var b bytes.Buffer
	b.WriteString("event: " + kind + "\ndata: ")
	_ = json.NewEncoder(&b).Encode(body) // cannot fail: plain structs; ends the line
	b.WriteByte('\n')
	return b.Bytes()
}

// sameState says whether nothing but the clock separates two statuses.
func sameState(a, b *Status) bool {
	x, y := withoutClock(a), withoutClock(b)
	return reflect.DeepEqual(x, y)
}

// withoutClock is a copy whose ages are left out.
func withoutClock(s *Status) Status {
	c := *s
	c.At, c.Why = time.Time{}, nil
	c.Peers = slices.Clone(s.Peers)
	for i := range c.Peers {
		p := &c.Peers[i]
		p.Proof.LagMS, p.Proof.LastProvenMSAgo = 0, nil
		p.Links = slices.Clone(p.Links)
		for j := range p.Links {
			p.Links[j].SilentMS = nil
		}
	}
	return c
}

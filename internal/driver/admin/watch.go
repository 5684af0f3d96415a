package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Watch sends server-sent events: a value ("status") at once and after every change, at
// most ten a second, until the caller goes or the server closes. same says whether two
// values differ in nothing that is worth telling. A caller too slow to read is dropped.
// action is what helps who comes when there are too many.
func Watch[T any](get func(ctx context.Context) (T, error), same func(a, b *T) bool, action string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := requestOf(r).server
		if s == nil {
			Fail(w, http.StatusServiceUnavailable, "this way to ask has no watch", action)
			return
		}
		select {
		case s.watchers <- struct{}{}:
			defer func() { <-s.watchers }()
		default:
			Fail(w, http.StatusServiceUnavailable, "there are as many watchers as the node allows", action)
			return
		}
		watch(s, w, r, get, same)
	}
}

func watch[T any](s *Server, w http.ResponseWriter, r *http.Request, get func(ctx context.Context) (T, error), same func(a, b *T) bool) {
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")

	var last T
	var lastSent time.Time
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		now, err := get(r.Context())
		var event []byte
		switch {
		case err != nil:
			event = encodeEvent("problem", Problem{Error: err.Error()})
		case lastSent.IsZero() || !same(&last, &now):
			event = encodeEvent("status", now)
			last = now
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

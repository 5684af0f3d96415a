package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Problem is the body of every answer that is not 200.
type Problem struct {
	Error  string `json:"error"`
	Action string `json:"action,omitempty"`
}

// Answer answers with a value.
func Answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a caller who has gone needs no answer
}

// Fail answers with a code that is not 200, and words.
func Fail(w http.ResponseWriter, code int, what, action string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(Problem{what, action})
}

// Refuse answers an error: 409 for a *Refusal, 503 for a deadline, else 500.
func Refuse(w http.ResponseWriter, err error) {
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		Fail(w, http.StatusConflict, refusal.Reason, refusal.Action)
	case errors.Is(err, context.DeadlineExceeded):
		Fail(w, http.StatusServiceUnavailable, fmt.Sprintf("the node did not answer in time: %v", err), "")
	default:
		Fail(w, http.StatusInternalServerError, err.Error(), "")
	}
}

// Change admits a request that changes something, reads its body, and says for the log
// who asks. If ok is false the request has been answered.
func Change(w http.ResponseWriter, r *http.Request, body any) (ctx context.Context, cancel context.CancelFunc, uid uint32, ok bool) {
	q := requestOf(r)
	if q.server == nil || !q.caller.mayChange(q.server.uid, q.server.gid) {
		Fail(w, http.StatusForbidden, ErrForbidden.Error(), "sudo")
		return nil, nil, 0, false
	}
	if err := decode(http.MaxBytesReader(w, r.Body, bodyMax), body); err != nil {
		Fail(w, http.StatusBadRequest, "the request's body: "+err.Error(), "")
		return nil, nil, 0, false
	}
	// The time to send the request is over; the time to carry it out begins.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	ctx, cancel = context.WithTimeout(r.Context(), changeWait)
	return ctx, cancel, q.caller.uid, true
}

// decode reads exactly one JSON value without unknown fields; nothing at all is the
// empty request.
func decode(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the first value")
	}
	return nil
}

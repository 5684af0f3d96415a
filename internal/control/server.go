package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Node is what the server speaks for. Its methods are called from many goroutines at
// once, and return when ctx is done.
type Node interface {
	// Status gives the facts; the conclusions are left empty. It is called up to ten
	// times a second for each watcher.
	Status(ctx context.Context) (Status, error)

	// Switch hands the addresses over to a peer, which has proven to hold every state,
	// and returns when the peer has them. It returns a *Refusal, and has changed
	// nothing, where this node is not active, the peer is not there, or not proven. to
	// is "" for the only peer.
	Switch(ctx context.Context, to string) (SwitchResult, error)

	// Resync begins to send a peer every state again. It returns a *Refusal for a peer
	// that is not there. peer is "" for the only peer.
	Resync(ctx context.Context, peer string) error
}

// Config is what a server needs.
type Config struct {
	Socket  string // path of the Unix socket; required
	Node    Node   // required
	Version Version
	Logger  *slog.Logger // required; told of changes that were asked for, and by whom
}

// Server answers at a socket.
type Server struct {
	config   Config
	listener net.Listener
	http     *http.Server
	watchers chan struct{}   // one token for each
	stopping context.Context // done when Close begins, so that watchers leave
	stop     context.CancelFunc
	served   chan error
	uid, gid int
}

type callerKey struct{}

// Listen makes the socket and answers until [Server.Close]. The error is an *OpError;
// it wraps ErrInUse when another node answers at the socket.
func Listen(c Config) (*Server, error) {
	if c.Socket == "" || c.Node == nil || c.Logger == nil {
		return nil, &OpError{"listen for control", errors.New("a server needs its socket, node and logger")}
	}
	c.Version.Schema = Schema
	listener, err := listenUnix(c.Socket)
	if err != nil {
		return nil, &OpError{"listen for control", err}
	}
	s := &Server{
		config: c, listener: listener, watchers: make(chan struct{}, watchersMax),
		served: make(chan error, 1), uid: os.Geteuid(), gid: os.Getegid(),
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: requestWait,
		ReadTimeout:       requestWait,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    headerMax,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, callerOf(conn))
		},
	}
	go func() { s.served <- s.http.Serve(newLimited(listener, connectionsMax)) }()
	return s, nil
}

// Close stops answering, lets requests under way end until ctx is done, removes the
// socket and waits for every goroutine.
func (s *Server) Close(ctx context.Context) error {
	s.stop()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return &OpError{"close control", err}
	}
	return nil
}

func (s *Server) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{s})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.getStatus)
	mux.HandleFunc("GET /v1/watch", s.getWatch)
	mux.HandleFunc("GET /v1/version", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.config.Version) })
	mux.HandleFunc("POST /v1/switch", s.postSwitch)
	mux.HandleFunc("POST /v1/resync", s.postResync)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: 2, Timeout: 2 * statusWait,
	}))
	return mux
}

// status asks the node and concludes.
func (s *Server) status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	st, err := s.config.Node.Status(ctx)
	if err != nil {
		return Status{}, err
	}
	st.Schema = Schema
	st.Judge()
	return st, nil
}

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) {
	st, err := s.status(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, st)
}

type switchRequest struct {
	To string `json:"to"`
}

type resyncRequest struct {
	Peer string `json:"peer"`
}

func (s *Server) postSwitch(w http.ResponseWriter, r *http.Request) {
	var q switchRequest
	ctx, cancel, ok := s.change(w, r, &q)
	if !ok {
		return
	}
	defer cancel()
	s.config.Logger.Info("switch asked for", "to", q.To, "uid", s.callerOf(r).uid)
	result, err := s.config.Node.Switch(ctx, q.To)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, result)
}

func (s *Server) postResync(w http.ResponseWriter, r *http.Request) {
	var q resyncRequest
	ctx, cancel, ok := s.change(w, r, &q)
	if !ok {
		return
	}
	defer cancel()
	s.config.Logger.Info("resync asked for", "peer", q.Peer, "uid", s.callerOf(r).uid)
	if err := s.config.Node.Resync(ctx, q.Peer); err != nil {
		refuse(w, err)
		return
	}
	answer(w, struct{}{})
}

func (s *Server) callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// change admits a request that changes something and reads its body.
func (s *Server) change(w http.ResponseWriter, r *http.Request, body any) (context.Context, context.CancelFunc, bool) {
	if !s.callerOf(r).mayChange(s.uid, s.gid) {
		fail(w, http.StatusForbidden, ErrForbidden.Error(), "sudo")
		return nil, nil, false
	}
	if err := decode(http.MaxBytesReader(w, r.Body, bodyMax), body); err != nil {
		fail(w, http.StatusBadRequest, "the request's body: "+err.Error(), "")
		return nil, nil, false
	}
	// The time to send the request is over; the time to carry it out begins.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(r.Context(), changeWait)
	return ctx, cancel, true
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

// problem is the body of every answer that is not 200.
type problem struct {
	Error  string `json:"error"`
	Action string `json:"action,omitempty"`
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a caller who has gone needs no answer
}

func fail(w http.ResponseWriter, code int, what, action string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(problem{what, action})
}

// refuse answers a node's error.
func refuse(w http.ResponseWriter, err error) {
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		fail(w, http.StatusConflict, refusal.Reason, refusal.Action)
	case errors.Is(err, context.DeadlineExceeded):
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("the node did not answer in time: %v", err), "")
	default:
		fail(w, http.StatusInternalServerError, err.Error(), "")
	}
}

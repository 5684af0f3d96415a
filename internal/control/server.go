package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-ha/holdfast/internal/driver/admin"
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
	*admin.Server
	config Config
}

// Listen makes the socket and answers until Close. The error is an *OpError; it wraps
// ErrInUse when another node answers at the socket.
func Listen(c Config) (*Server, error) {
	if c.Socket == "" || c.Node == nil || c.Logger == nil {
		return nil, &OpError{Op: "listen for control", Err: errors.New("a server needs its socket, node and logger")}
	}
	c.Version.Schema = Schema
	s := &Server{config: c}
	var err error
	s.Server, err = admin.Listen(admin.Config{Socket: c.Socket, Handler: s.handler(), Logger: c.Logger})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{s})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.getStatus)
	mux.HandleFunc("GET /v1/watch", admin.Watch(s.status, sameState, "holdfast status"))
	mux.HandleFunc("GET /v1/version", func(w http.ResponseWriter, _ *http.Request) { admin.Answer(w, s.config.Version) })
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
		admin.Refuse(w, err)
		return
	}
	admin.Answer(w, st)
}

type switchRequest struct {
	To string `json:"to"`
}

type resyncRequest struct {
	Peer string `json:"peer"`
}

func (s *Server) postSwitch(w http.ResponseWriter, r *http.Request) {
	var q switchRequest
	ctx, cancel, uid, ok := admin.Change(w, r, &q)
	if !ok {
		return
	}
	defer cancel()
	s.config.Logger.Info("switch asked for", "to", q.To, "uid", uid)
	result, err := s.config.Node.Switch(ctx, q.To)
	if err != nil {
		admin.Refuse(w, err)
		return
	}
	admin.Answer(w, result)
}

func (s *Server) postResync(w http.ResponseWriter, r *http.Request) {
	var q resyncRequest
	ctx, cancel, uid, ok := admin.Change(w, r, &q)
	if !ok {
		return
	}
	defer cancel()
	s.config.Logger.Info("resync asked for", "peer", q.Peer, "uid", uid)
	if err := s.config.Node.Resync(ctx, q.Peer); err != nil {
		admin.Refuse(w, err)
		return
	}
	admin.Answer(w, struct{}{})
}

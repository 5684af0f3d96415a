package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// Config is what a server needs.
type Config struct {
	Socket  string       // path of the Unix socket; required
	Handler http.Handler // required
	Logger  *slog.Logger // nil: what goes wrong with a connection is not told
}

// Server answers at a socket.
type Server struct {
	http     *http.Server
	watchers chan struct{}   // one token for each
	stopping context.Context // done when Close begins, so that watchers leave
	stop     context.CancelFunc
	served   chan error
	uid, gid int
}

// request is what a handler can know beside what HTTP tells.
type request struct {
	server *Server
	caller caller
}

type requestKey struct{}

func requestOf(r *http.Request) request {
	q, _ := r.Context().Value(requestKey{}).(request)
	return q
}

// Listen makes the socket and answers until [Server.Close]. The error is an *OpError;
// it wraps ErrInUse when another process answers at the socket.
func Listen(c Config) (*Server, error) {
	if c.Socket == "" || c.Handler == nil {
		return nil, &OpError{"listen for control", errors.New("a server needs its socket and its handler")}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := listenUnix(c.Socket)
	if err != nil {
		return nil, &OpError{"listen for control", err}
	}
	s := &Server{
		watchers: make(chan struct{}, watchersMax), served: make(chan error, 1), uid: os.Geteuid(), gid: os.Getegid(),
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           c.Handler,
		ReadHeaderTimeout: requestWait,
		ReadTimeout:       requestWait,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    headerMax,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, requestKey{}, request{s, callerOf(conn)})
		},
	}
	go func() {
		s.served <- s.http.Serve(newLimited(listener, connectionsMax))
		close(s.served)
	}()
	return s, nil
}

// Close stops answering, lets requests under way end until ctx is done, removes the
// socket and waits for every goroutine. A second Close does nothing.
func (s *Server) Close(ctx context.Context) error {
	s.stop()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served, first := <-s.served; first && !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return &OpError{"close control", err}
	}
	return nil
}

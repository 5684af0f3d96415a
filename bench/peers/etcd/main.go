// Command etcd is the contenders of the benchmark of locks at etcd: concurrency.Mutex of etcd's
// own client, a session each. They share a client, which is what its documentation asks for:
// requests of all go over one connection, side by side.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"

	"github.com/holdfast-ha/holdfast/bench/locks/load"
)

const (
	// leaseSeconds of a session: Holdfast's default.
	leaseSeconds = 10

	// dialMost is how long a connection may take.
	dialMost = 2 * time.Second

	// againAfter is how long after an attempt that failed the next is made.
	againAfter = 2 * time.Millisecond
)

func main() {
	load.Main(func(o load.Order) (load.Service, error) {
		client, err := clientv3.New(clientv3.Config{Endpoints: o.Servers, DialTimeout: dialMost, Logger: zap.NewNop()})
		if err != nil {
			return nil, err
		}
		return &service{client, o}, nil
	})
}

type service struct {
	client *clientv3.Client
	order  load.Order
}

// Leader asks all members: each tells its own number and the leader's.
func (s *service) Leader(ctx context.Context) (int, error) {
	for i, endpoint := range s.order.Servers {
		status, err := s.client.Status(ctx, endpoint)
		if err != nil {
			return 0, err
		}
		if status.Leader == status.Header.MemberId {
			return i + 1, nil
		}
	}
	return 0, errors.New("no member says that it leads")
}

func (s *service) Open(ctx context.Context) (load.Session, error) {
	one, err := concurrency.NewSession(s.client, concurrency.WithTTL(leaseSeconds))
	if err != nil {
		return nil, err
	}
	return &session{etcd: one, try: s.order.Try}, nil
}

type session struct {
	etcd  *concurrency.Session
	try   time.Duration
	mutex *concurrency.Mutex
}

func (s *session) Enter(ctx context.Context, name string) error {
	s.mutex = concurrency.NewMutex(s.etcd, "/"+name)
	return s.insist(ctx, s.mutex.Lock)
}

// Leave deletes the key. To delete it again does no harm.
func (s *session) Leave(ctx context.Context) error { return s.insist(ctx, s.mutex.Unlock) }

// insist tries until it has worked, if attempts are to be short: what was given to a member
// that died, or to one that had passed it on to such a leader, is not answered for seconds, and
// the library leaves it to its user to try elsewhere. Lock and Unlock may be repeated.
func (s *session) insist(ctx context.Context, do func(context.Context) error) error {
	if s.try == 0 {
		return do(ctx)
	}
	for {
		short, cancel := context.WithTimeout(ctx, s.try)
		err := do(short)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(againAfter):
		case <-ctx.Done():
			return fmt.Errorf("%w; the last attempt: %w", ctx.Err(), err)
		}
	}
}

func (s *session) Close() { _ = s.etcd.Close() } // or it ends with its lease

// Command holdfast is the contenders of the benchmark of locks at Holdfast's lock service: a
// session each, through the package lock, as a user would write it.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-ha/holdfast/bench/locks/load"
	"github.com/holdfast-ha/holdfast/lock"
)

// closeMost is how long the service may take to hear of the end of a session.
const closeMost = 2 * time.Second

func main() {
	load.Main(func(o load.Order) (load.Service, error) { return service(o.Servers), nil })
}

// service is the sockets of the members.
type service []string

// Open opens a session; the first of the sockets is used as long as it serves.
func (s service) Open(context.Context) (load.Session, error) {
	k, err := lock.Open(lock.Config{Servers: s})
	if err != nil {
		return nil, err
	}
	return &session{locks: k}, nil
}

// Leader is not known here: every member takes commands, and the control socket tells which puts
// them in order.
func (s service) Leader(context.Context) (int, error) {
	return 0, errors.New("ask the control socket who leads")
}

type session struct {
	locks *lock.Client
	held  *lock.Lock
}

func (s *session) Enter(ctx context.Context, name string) (err error) {
	s.held, err = s.locks.Enter(ctx, name, lock.Options{})
	return err
}

func (s *session) Leave(ctx context.Context) error { return s.held.Leave(ctx) }

func (s *session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeMost)
	defer cancel()
	_ = s.locks.Close(ctx) // or it ends with its lease
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-ha/holdfast/bench/pair"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// round runs fn on a new test bed with an empty folder, and takes both away again. A
// round in which the standby did not wait for the fault is told and made again: on a
// machine that stands still for longer than a detector waits, a node that is alive looks
// dead, and there is nothing left to measure. How often that was is part of the report.
func (s *session) round(ctx context.Context, fn func(ctx context.Context, bed *lab.Lab, folder string) error) error {
	for try := 1; ; try++ {
		err := s.roundOnce(ctx, fn)
		var disturbance *pair.Disturbance
		if !errors.As(err, &disturbance) || try == triesMax {
			return err
		}
		s.disturbed[disturbance.Program]++
		s.say("round made again: %v", err)
	}
}

func (s *session) roundOnce(ctx context.Context, fn func(ctx context.Context, bed *lab.Lab, folder string) error) error {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	s.made++
	folder := filepath.Join(s.folder, fmt.Sprint(s.made))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	bed, err := lab.Open(lab.Config{})
	if err != nil {
		return err
	}
	defer bed.Close()
	return fn(ctx, bed, folder)
}

// holdfast starts Holdfast on a test bed.
func (s *session) holdfast(ctx context.Context, bed *lab.Lab, folder string, inject pair.Inject, links ...string) (*pair.Holdfast, error) {
	return pair.StartHoldfast(ctx, bed, pair.HoldfastConfig{Folder: folder, Binary: s.binary, Inject: inject, Links: links})
}

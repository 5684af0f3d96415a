package servers_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/protocol/session"
)

// role makes the test binary, run again by a test, the program of a server or of the witness.
const role = "HOLDFAST_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "" {
		goleak.VerifyTestMain(m) // and ends
	}
	var s settings
	err := json.NewDecoder(os.Stdin).Decode(&s)
	if err == nil {
		err = serve(&s)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// settings are what a process is told.
type settings struct {
	Node   holdfast.Config
	Style  holdfast.Style
	Socket string // "": it is the witness
	Data   string

	Durability string
}

// serve serves until its input ends.
func serve(s *settings) error {
	s.Node.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	node, err := holdfast.Open(s.Node)
	if err != nil {
		return err
	}
	cfg := holdfast.ServiceConfig{Name: "cells", Style: s.Style, Data: s.Data, Socket: s.Socket, Durability: s.Durability}
	if s.Socket != "" {
		cfg.Service = &cells{}
	}
	at, err := node.Serve(cfg)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = node.Close()
		os.Exit(0)
	}()
	<-at.Done()
	return at.Err()
}

// cells are numbers that are read and added to.
type cells struct{ at [cellCount]uint64 }

const cellCount = 8

// Apply adds to a cell, and answers what there was.
func (s *cells) Apply(c session.Command, reply []byte) []byte {
	if len(c.Body) != 9 || c.Body[0] >= cellCount {
		return reply
	}
	had := &s.at[c.Body[0]]
	reply = binary.BigEndian.AppendUint64(reply, *had)
	*had += binary.BigEndian.Uint64(c.Body[1:])
	return reply
}

func (s *cells) Ended(time.Duration, session.ID) {}
func (s *cells) Passed(time.Duration)            {}
func (s *cells) Next() time.Duration             { return 0 }

// Digest is of all cells.
func (s *cells) Digest() (d uint64) {
	for i, v := range s.at {
		d ^= (v + uint64(i)) * (0x9e3779b97f4a7c15 + 2*uint64(i))
	}
	return d
}

// Snapshot writes the cells.
func (s *cells) Snapshot(w io.Writer) error { return binary.Write(w, binary.BigEndian, s.at[:]) }

// Restore reads them.
func (s *cells) Restore(r io.Reader) error { return binary.Read(r, binary.BigEndian, s.at[:]) }

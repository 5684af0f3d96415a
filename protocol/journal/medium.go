package journal

import "io"

// Dir is a directory of the journal's own. Names have no slashes. Every method waits until
// it is done; one goroutine at a time calls them.
type Dir interface {
	// List gives the names of all files, in any order.
	List() ([]string, error)
	// Open opens a file to be read by recovery. Before, it brings what of the file is not on
	// the disk there, and forgets what is not: what is read afterwards is what the disk has.
	Open(name string) (File, error)
	// Create makes a file of a size, all zeros and allocated if it can be, so that a full
	// disk is seen now and not later. It takes the place of one of this name.
	Create(name string, size int64) (File, error)
	// Rename gives a file another name, in place of one that has it.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// Sync makes the names durable: what was created, renamed and removed before.
	Sync() error
}

// File is an open file. It may be renamed while it is open. WriteAt that writes less
// than all returns an error.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Size is the file's size in bytes.
	Size() (int64, error)
	// Sync makes content and size durable. After it has failed once it is not called again.
	Sync() error
	// Close lets go of the file.
	Close() error
}

// State is what a journal is recovered into. An error of it ends recovery.
type State interface {
	// Restore reads the snapshot that stands for everything up to an index. It comes first,
	// and only if there is one.
	Restore(index uint64, snapshot io.Reader) error
	// Apply takes one record. The indexes grow by one. The record is valid during the call.
	Apply(index uint64, record []byte) error
}

package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Mark is one number in a directory, for a process that must not forget it: the epoch in which it went on alone, or
// that it has granted. The file is written anew with each number, synced, and takes the place of the one before, so
// that there is always a whole one; docs/rfc/0025-duo.md says what is in it.
type Mark struct {
	dir     *directory
	lock    *lock
	cluster uint32
	member  view.ID
	number  uint64
	found   bool
	failed  error
}

const (
	markName  = "epoch"
	markFresh = "epoch.new"
	markMagic = "hfepoch1"
	markSize  = 28
)

// ErrDamaged is what OpenMark says of a file that is not as it was written.
var ErrDamaged = errors.New("it is damaged")

// OpenMark opens the number of a member of a cluster in a directory, which is made if its parent is there, and locked.
func OpenMark(path string, cluster uint32, member view.ID) (*Mark, error) {
	m := &Mark{cluster: cluster, member: member}
	err := m.open(path)
	if err != nil {
		m.release()
		return nil, &OpError{Op: "open", Err: fmt.Errorf("%s: %w", path, err)}
	}
	return m, nil
}

func (m *Mark) open(path string) (err error) {
	if m.dir, err = openDirectory(path); err != nil {
		return err
	}
	if m.lock, err = takeLock(m.dir); err != nil {
		return err
	}
	b, err := os.ReadFile(m.dir.in(markName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := m.read(b); err != nil {
		return err
	}
	// A former process that was killed may have given the file its name, and not have come to make that durable: what
	// is answered from here on must not be taken back by a crash of the machine.
	return m.dir.Sync()
}

// read reads what the file has.
func (m *Mark) read(b []byte) error {
	switch {
	case len(b) != markSize || string(b[:8]) != markMagic || crc32.Checksum(b[:markSize-4], castagnoli()) != binary.BigEndian.Uint32(b[markSize-4:]):
		return fmt.Errorf("the file %s: %w, and in which epoch this member went on alone is not known: compare with the other member, then remove the file", markName, ErrDamaged)
	case binary.BigEndian.Uint32(b[8:]) != m.cluster:
		return fmt.Errorf("the file %s is of another cluster, or of another service; name another directory", markName)
	case view.ID(binary.BigEndian.Uint16(b[12:])) != m.member:
		return fmt.Errorf("the file %s is of %v, and this is %v; name another directory", markName, view.ID(binary.BigEndian.Uint16(b[12:])), m.member)
	}
	m.number, m.found = binary.BigEndian.Uint64(b[16:]), true
	return nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Found gives the number that was saved last; false if none ever was.
func (m *Mark) Found() (number uint64, ok bool) { return m.number, m.found }

// Save puts a number in place of the one before, and waits until it is durable. After an error nothing is
// saved any more: what a disk has after a failed sync nobody knows.
func (m *Mark) Save(number uint64) error {
	if m.failed == nil {
		if err := m.save(number); err != nil {
			m.failed = &OpError{Op: "save an epoch", Err: fmt.Errorf("%s: %w", m.dir.path, err)}
		}
	}
	return m.failed
}

func (m *Mark) save(number uint64) error {
	b := append(make([]byte, 0, markSize), markMagic...)
	b = binary.BigEndian.AppendUint32(b, m.cluster)
	b = binary.BigEndian.AppendUint16(b, uint16(m.member))
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
	f, err := os.OpenFile(m.dir.in(markFresh), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := m.dir.Rename(markFresh, markName); err != nil {
		return err
	}
	return m.dir.Sync()
}

// Close lets go of the directory.
func (m *Mark) Close() error {
	m.release()
	return nil
}

func (m *Mark) release() {
	if m.lock != nil {
		m.lock.release()
	}
	if m.dir != nil {
		m.dir.close()
	}
}

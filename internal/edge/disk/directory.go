package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// directory is the journal's own directory.
type directory struct {
	path string
	file *os.File
}

var _ journal.Dir = (*directory)(nil)

// openDirectory opens a directory, or makes it, and refuses one that is open to others.
func openDirectory(path string) (*directory, error) {
	switch err := os.Mkdir(path, 0o700); {
	case err == nil:
		if err := syncDirectory(filepath.Dir(path)); err != nil {
			return nil, err
		}
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("its parent is not there; run: mkdir -p %s", filepath.Dir(path))
	case errors.Is(err, os.ErrPermission), errors.Is(err, unix.EROFS):
		return nil, fmt.Errorf("it is not there and cannot be made: %w; run: install -d -m 700 -o %d %s", err, os.Geteuid(), path)
	case !errors.Is(err, os.ErrExist):
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	if err := closed(path, info); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &directory{path, f}, nil
}

// closed refuses a directory that others can get into.
func closed(path string, info os.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("its mode is %04o, so that other users can get at the journal; run: chmod 700 %s", mode, path)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() && os.Geteuid() != 0 {
		return fmt.Errorf("it belongs to user %d; run: chown %d %s", owner, os.Geteuid(), path)
	}
	return nil
}

func syncDirectory(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *directory) close() { _ = d.file.Close() }

func (d *directory) in(name string) string { return filepath.Join(d.path, name) }

// List gives the names of all files.
func (d *directory) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// Open opens a file, after it has brought it to the disk and had the kernel forget it.
func (d *directory) Open(name string) (journal.File, error) {
	f, err := os.OpenFile(d.in(name), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	h := &handle{f, int(f.Fd())}
	if err := h.Sync(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("sync: %w", err)
	}
	// Where the kernel keeps its pages (on tmpfs it must), what it shows is what there is.
	_ = unix.Fadvise(h.fd, 0, 0, unix.FADV_DONTNEED)
	return h, nil
}

// Create makes a file and allocates it.
func (d *directory) Create(name string, size int64) (journal.File, error) {
	f, err := os.OpenFile(d.in(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	h := &handle{f, int(f.Fd())}
	if size > 0 {
		err = h.allocate(size)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(d.in(name))
		return nil, fmt.Errorf("allocate %d bytes: %w", size, err)
	}
	return h, nil
}

// Rename gives a file another name.
func (d *directory) Rename(from, to string) error { return os.Rename(d.in(from), d.in(to)) }

// Remove removes a file.
func (d *directory) Remove(name string) error { return os.Remove(d.in(name)) }

// Sync makes the names durable.
func (d *directory) Sync() error { return d.file.Sync() }

// handle is an open file.
type handle struct {
	*os.File
	fd int
}

// allocate reserves room. A filesystem that cannot do that lets the file grow.
func (h *handle) allocate(size int64) error {
	for {
		switch err := unix.Fallocate(h.fd, 0, 0, size); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return nil
		default:
			return err
		}
	}
}

// Size is the file's size.
func (h *handle) Size() (int64, error) {
	info, err := h.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync makes the content and the size durable. Any error is final, an interruption too.
func (h *handle) Sync() error { return os.NewSyscallError("fdatasync", unix.Fdatasync(h.fd)) }

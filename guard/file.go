//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package guard

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// recordSuffix is what the record's name has more than the file's.
const recordSuffix = ".holdfast-token"

// File is a file that is written under a lock. Beside it is a record of the greatest token, so that every process of the machine
// that writes the file through a File refuses stale ones; what writes it otherwise is not
// refused. One writes at a time.
type File struct {
	path, lock string
	records    records
}

// NewFile guards the file at path by a lock. The file need not be there yet; its directory must be.
func NewFile(path, lock string) (*File, error) {
	if err := (Token{Lock: lock, Number: 1}).check(); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &OpError{"guard " + path, err}
	}
	return &File{path: abs, lock: lock}, nil
}

// admit lets a token in, if it is of this file's lock.
func (f *File) admit(ctx context.Context, t Token) (func(), error) {
	if t.Lock != f.lock {
		return nil, &OpError{"write " + f.path, errors.New("the token is for lock " + t.Lock + ", and lock " + f.lock + " guards this file: enter that one")}
	}
	return f.records.admit(ctx, f.path+recordSuffix, t)
}

// Update opens the file to read and write, makes it if it is not there, and lets change do what it wants. It
// returns when what was written is durable. If change fails, or the machine crashes, the file is as far as
// change came: use Replace for all or nothing. The error is a [*Stale] if the token is stale, and the file is not
// touched.
func (f *File) Update(ctx context.Context, t Token, change func(*os.File) error) error {
	done, err := f.admit(ctx, t)
	if err != nil {
		return err
	}
	defer done()
	_, missing := os.Stat(f.path)
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return &OpError{"update " + f.path, err}
	}
	err = errors.Join(change(file), file.Sync(), file.Close())
	if missing != nil {
		err = errors.Join(err, syncDirectory(filepath.Dir(f.path))) // the name is to be durable, too
	}
	if err != nil {
		return &OpError{"update " + f.path, err}
	}
	return nil
}

// Replace puts data in the place of the whole file, or leaves it as it is: readers and crashes see the one or
// the other. The file's mode is kept. The error is a [*Stale] if the token is stale.
func (f *File) Replace(ctx context.Context, t Token, data []byte) error {
	done, err := f.admit(ctx, t)
	if err != nil {
		return err
	}
	defer done()
	if err := f.replace(data); err != nil {
		return &OpError{"replace " + f.path, err}
	}
	return nil
}

func (f *File) replace(data []byte) error {
	mode := os.FileMode(0o644)
	before, missing := os.Stat(f.path)
	if missing == nil {
		mode = before.Mode().Perm()
	}
	temp := f.path + ".holdfast-new" // one writes at a time: what is left of a crash is overwritten
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if missing == nil {
		err = file.Chmod(mode) // the process's mask has taken some of it away, or the file is what is left of a crash
	}
	if err == nil {
		_, err = file.Write(data)
	}
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, f.path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDirectory(filepath.Dir(f.path))
}

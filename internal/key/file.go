package key

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// FileError says what is wrong with a key file and how it is mended. It never shows
// what stands in the file.
type FileError struct {
	File    string
	Line    int // from 1; 0 if the file as a whole is meant
	Problem string
	Remedy  string
	Err     error // of the operating system, or nil
}

// Error gives "/etc/holdfast/edge.key:3: key 7 is given twice; remove line 1 or line 3".
func (e *FileError) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	s += ": " + e.Problem
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap gives the operating system's error, or nil.
func (e *FileError) Unwrap() error { return e.Err }

// Load reads a key file. The file must be a regular one, belong to root or to the user
// of this process, and be closed to everybody else. Errors are [*FileError].
func Load(path string) (*Ring, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// read reads a key file after it has made sure that nobody else can. It judges the
// open file, so that no other file can be put in its place in between.
func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{File: path, Problem: "not a regular file", Remedy: "make one with `holdfast key new " + path + "`"}
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, &FileError{
			File:    path,
			Problem: fmt.Sprintf("its mode is %04o: other users can get at the secrets", mode),
			Remedy:  "run: chmod 600 " + path + "; and make a new key if others could have read it",
		}
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 && int(owner) != os.Geteuid() {
		return nil, &FileError{
			File:    path,
			Problem: fmt.Sprintf("it belongs to user %d, who can read and change the secrets", owner),
			Remedy:  fmt.Sprintf("run: chown %d %s", os.Geteuid(), path),
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, fileSizeMax+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	return text, nil
}

// unreadable words an error of the operating system.
func unreadable(path string, err error) error {
	var cause *os.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	e := &FileError{File: path, Problem: err.Error(), Err: err}
	switch {
	case errors.Is(err, os.ErrNotExist):
		e.Problem = "there is no such file"
		e.Remedy = "make a key with `holdfast key new " + path + "` on one member and copy the file to the others"
	case errors.Is(err, os.ErrPermission):
		e.Problem = "this user may not read it"
		e.Remedy = "run as root, or as the file's owner"
	}
	return e
}

// Parse reads the text of a key file; name is the file's, for messages. Errors are
// [*FileError].
func Parse(name string, text []byte) (*Ring, error) {
	if len(text) > fileSizeMax {
		return nil, &FileError{
			File: name, Problem: fmt.Sprintf("it is larger than %d bytes, so it is no key file", fileSizeMax),
			Remedy: "name the file that `holdfast key new` wrote",
		}
	}
	var keys []Key
	var lineOf [256]int
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		k, err := parseLine(line)
		if err == nil && lineOf[k.ID] != 0 {
			err = &FileError{
				Problem: fmt.Sprintf("%v is given twice", k),
				Remedy:  fmt.Sprintf("remove line %d or line %d", lineOf[k.ID], number),
			}
		}
		if err == nil && len(keys) == RingMax {
			err = &FileError{
				Problem: fmt.Sprintf("there are more than %d keys", RingMax), Remedy: "remove those no member seals with any more",
			}
		}
		if err != nil {
			err.File, err.Line = name, number
			return nil, err
		}
		lineOf[k.ID] = number
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, &FileError{File: name, Problem: "there is no key in it", Remedy: "make one with `holdfast key new FILE`"}
	}
	return NewRing(keys...)
}

// parseLine reads one line that is neither empty nor a comment. The columns may be in
// the wrong order, so no part of a line is ever shown.
func parseLine(line []byte) (Key, *FileError) {
	const form = "a line is: number, 64 hexadecimal digits, words for people"
	if !utf8.Valid(line) {
		return Key{}, &FileError{Problem: "the line is not text", Remedy: form}
	}
	first, rest := cut(string(line))
	secret, comment := cut(rest)
	id, err := strconv.ParseUint(first, 10, 8)
	if err != nil || id == 0 {
		return Key{}, &FileError{Problem: "the line does not begin with a key's number from 1 to 255", Remedy: form}
	}
	if secret == "" {
		return Key{}, &FileError{Problem: fmt.Sprintf("key %d has no secret", id), Remedy: form}
	}
	if len(secret) != 2*Size {
		return Key{}, &FileError{
			Problem: fmt.Sprintf("the secret of key %d has %d characters, not %d", id, len(secret), 2*Size),
			Remedy:  "make a key with `holdfast key new FILE`; do not make one up",
		}
	}
	k := Key{ID: uint8(id), Comment: comment, secret: newVault()}
	if _, err := hex.Decode(k.secret.bytes[:], []byte(secret)); err != nil {
		return Key{}, &FileError{Problem: fmt.Sprintf("the secret of key %d is not hexadecimal", id), Remedy: form}
	}
	if bytes.Count(k.secret.bytes[:], k.secret.bytes[:1]) == Size {
		return Key{}, &FileError{
			Problem: fmt.Sprintf("the secret of key %d is the same byte %d times", id, Size),
			Remedy:  "make a key with `holdfast key new FILE`",
		}
	}
	if err := checkComment(comment); err != nil {
		return Key{}, &FileError{Problem: fmt.Sprintf("key %d: %v", id, err)}
	}
	return k, nil
}

// cut splits off the first word.
func cut(s string) (word, rest string) {
	i := strings.IndexFunc(s, unicode.IsSpace)
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimSpace(s[i:])
}

// checkComment refuses what would not be read back as it was written.
func checkComment(comment string) error {
	if len(comment) > commentSizeMax {
		return fmt.Errorf("the comment has %d bytes, at most %d are allowed", len(comment), commentSizeMax)
	}
	if !utf8.ValidString(comment) || strings.ContainsFunc(comment, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }) {
		return errors.New("the comment is not one line of printable text")
	}
	return nil
}

// line is the key as it stands in a file.
func (k Key) line() string {
	s := strconv.Itoa(int(k.ID)) + " " + hex.EncodeToString(k.secret.bytes[:])
	if c := strings.TrimSpace(k.Comment); c != "" {
		s += " " + c
	}
	return s + "\n"
}

// Create writes a new key file with one new key, number 1, mode 0600. It never
// overwrites a file. The comment must be one line of printable text of at most 256
// bytes; "made on fw1" is a good one.
func Create(path, comment string) (Key, error) {
	k, err := New(1, comment)
	if err != nil {
		return Key{}, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return Key{}, &FileError{
			File: path, Problem: "the file exists already and is not overwritten", Err: os.ErrExist,
			Remedy: "to bring in another key run `holdfast key new --add " + path + "`",
		}
	}
	if err != nil {
		return Key{}, unwritable(path, err)
	}
	if err := fill(f, k.line()); err != nil {
		_ = os.Remove(path)
		return Key{}, unwritable(path, err)
	}
	return k, nil
}

// Add appends a new key to a key file and returns it. Being last, it only opens: no
// member seals with it before somebody puts its line first. The file is replaced in
// one step, so that a daemon that reloads sees the old or the new one.
func Add(path, comment string) (Key, error) {
	// Behind a symbolic link the file itself is replaced, not the link.
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Key{}, unreadable(path, err)
	}
	path = target
	text, err := read(path)
	if err != nil {
		return Key{}, err
	}
	ring, err := Parse(path, text)
	if err != nil {
		return Key{}, err
	}
	if ring.Len() == RingMax {
		return Key{}, &FileError{
			File: path, Problem: fmt.Sprintf("there are %d keys already", RingMax), Remedy: "remove those no member seals with any more",
		}
	}
	k, err := New(ring.next(), comment)
	if err != nil {
		return Key{}, err
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	if err := replace(path, string(text)+k.line()); err != nil {
		return Key{}, unwritable(path, err)
	}
	return k, nil
}

// replace puts a file of the same owner and mode 0600 in the place of another.
func replace(path, text string) (err error) {
	former, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	owner := former.Sys().(*syscall.Stat_t)
	err = f.Chown(int(owner.Uid), int(owner.Gid))
	if err = errors.Join(err, fill(f, text)); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// next is the number for a further key: the one after the highest, so that a number is
// not soon used again for another secret.
func (r *Ring) next() uint8 {
	var used [256]bool
	used[0] = true
	highest := uint8(0)
	for _, k := range r.keys {
		used[k.ID] = true
		highest = max(highest, k.ID)
	}
	id := highest + 1
	for used[id] {
		id++
	}
	return id
}

// fill writes a file to the disk and closes it.
func fill(f *os.File, text string) error {
	_, err := f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// unwritable words an error of the operating system.
func unwritable(path string, err error) error {
	var cause *os.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	e := &FileError{File: path, Problem: "it cannot be written: " + err.Error(), Err: err}
	switch {
	case errors.Is(err, os.ErrNotExist):
		e.Remedy = "make the folder first: mkdir -p -m 700 " + filepath.Dir(path)
	case errors.Is(err, os.ErrPermission):
		e.Remedy = "run as root"
	}
	return e
}

package key

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	secretA = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	secretB = "F0E0D0C0B0A090807060504030201000F1E1D1C1B1A191817161514131211101"
)

func write(t testing.TB, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edge.key")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	path := write(t, "# of the cluster edge\n\n 2\t"+secretA+"  made on fw1, in a hurry \r\n1 "+secretB, 0o600)
	ring, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if ring.Len() != 2 || ring.At(0).ID != 2 || ring.At(1).ID != 1 {
		t.Fatalf("the ring is %v, want keys 2 1", ring)
	}
	if c := ring.At(0).Comment; c != "made on fw1, in a hurry" {
		t.Errorf("the comment is %q", c)
	}
	if ring.At(0).secret.bytes[31] != 0x1f || ring.At(1).secret.bytes[0] != 0xf0 || ring.At(1).Comment != "" {
		t.Error("the secrets are not those of the file")
	}
	for _, mode := range []os.FileMode{0o400, 0o700} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	many := ""
	for i := range RingMax + 1 {
		many += fmt.Sprintf("%d %s\n", i+1, secretA)
	}
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"empty", "", 0, "there is no key in it"},
		{"only comments", "# " + secretA + "\n\n", 0, "there is no key in it"},
		{"too large", strings.Repeat("#\n", fileSizeMax), 0, "larger than 16384 bytes"},
		{"no number", secretA + "\n", 1, "does not begin with a key's number"},
		{"columns swapped", "# x\n" + secretA + " 1\n", 2, "does not begin with a key's number"},
		{"number 0", "0 " + secretA, 1, "from 1 to 255"},
		{"number 256", "256 " + secretA, 1, "from 1 to 255"},
		{"negative", "-1 " + secretA, 1, "from 1 to 255"},
		{"no secret", "1 " + secretA + "\n3", 2, "key 3 has no secret"},
		{"short", "1 " + secretA[:62], 1, "key 1 has 62 characters, not 64"},
		{"long", "1 " + secretA + "00", 1, "key 1 has 66 characters, not 64"},
		{"not hexadecimal", "1 " + secretA[:63] + "g", 1, "key 1 is not hexadecimal"},
		{"all the same", "1 " + strings.Repeat("ab", Size), 1, "the same byte 32 times"},
		{"twice", "4 " + secretA + "\n# x\n5 " + secretA + "\n4 " + secretB, 4, "key 4 is given twice; remove line 1 or line 4"},
		{"too many", many, RingMax + 1, "more than 8 keys"},
		{"not text", "1 " + secretA + " \xff\xfe", 1, "not text"},
		{"control character", "1 " + secretA + " \x1b[31m", 1, "not one line of printable text"},
		{"long comment", "1 " + secretA + " " + strings.Repeat("x", commentSizeMax+1), 1, "257 bytes, at most 256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("edge.key", []byte(c.text))
			var file *FileError
			if !errors.As(err, &file) {
				t.Fatalf("the error is %v", err)
			}
			message := fmt.Sprint(err)
			if file.Line != c.line || !strings.Contains(message, c.want) {
				t.Errorf("line %d: %s\nwant line %d: %s", file.Line, message, c.line, c.want)
			}
			place := "edge.key: "
			if c.line > 0 {
				place = fmt.Sprintf("edge.key:%d: ", c.line)
			}
			if !strings.HasPrefix(message, place) {
				t.Errorf("%q does not begin with %q", message, place)
			}
			for _, secret := range []string{secretA[:16], secretB[:16], "abab"} {
				if strings.Contains(message, secret) {
					t.Errorf("the message shows a secret: %s", message)
				}
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	good := "1 " + secretA + "\n"
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		name, path string
		want       []string
		is         error
	}{
		{"missing", missing, []string{missing, "no such file", "holdfast key new " + missing}, os.ErrNotExist},
		{"folder", t.TempDir(), []string{"not a regular file"}, nil},
		{"group may read", write(t, good, 0o640), []string{"0640", "run: chmod 600 "}, nil},
		{"others may read", write(t, good, 0o604), []string{"0604", "run: chmod 600 "}, nil},
		{"group may write", write(t, good, 0o620), []string{"0620", "run: chmod 600 "}, nil},
		{"broken", write(t, "1 xyz", 0o600), []string{":1: ", "3 characters, not 64"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(c.path)
			var file *FileError
			if !errors.As(err, &file) || file.File != c.path {
				t.Fatalf("the error is %v", err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			for _, want := range c.want {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
		})
	}
}

func TestLoadRefusesAnotherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to give a file away")
		}
		t.Skip("needs root to give a file away: run sudo go test ./internal/key")
	}
	path := write(t, "1 "+secretA, 0o600)
	if err := os.Chown(path, 4321, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(fmt.Sprint(err), "belongs to user 4321") {
		t.Errorf("a file of another user: %v", err)
	}
}

// TestRotation goes through the life of a key file as a person would.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.key")
	first, err := Create(path, "made on fw1")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new file: %v, %v", info, err)
	}
	if _, err := Create(path, ""); !errors.Is(err, os.ErrExist) || !strings.Contains(fmt.Sprint(err), "--add") {
		t.Errorf("a second Create: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	second, err := Add(link, "")
	if err != nil {
		t.Fatal(err)
	}
	ring := loaded(t, path)
	if ring.Len() != 2 || !ring.At(0).Equal(first) || !ring.At(1).Equal(second) || ring.At(0).Comment != "made on fw1" {
		t.Errorf("after Add the ring is %v, want the first key to seal", ring)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the symbolic link was replaced: %v, %v", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if err := os.WriteFile(path, []byte("# turned round\n"+lines[1]+lines[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	for range RingMax - 2 {
		if _, err := Add(path, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if have := fmt.Sprint(loaded(t, path)); have != "keys 2 1 3 4 5 6 7 8" {
		t.Errorf("after more the ring is %s", have)
	}
	if _, err := Add(path, "x"); err == nil {
		t.Error("a key too many was added")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}

func loaded(t *testing.T, path string) *Ring {
	t.Helper()
	ring, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestAddKeepsWhatItCannotRead(t *testing.T) {
	text := "1 " + secretA + " no newline at the end"
	path := write(t, text, 0o600)
	if _, err := Add(path, "two\nlines"); err == nil {
		t.Error("a comment of two lines was written")
	}
	if _, err := Add(path, "fine"); err != nil {
		t.Error(err)
	}
	if have := fmt.Sprint(loaded(t, path)); have != "keys 1 2" {
		t.Errorf("the ring is %s", have)
	}
	broken := write(t, "1 broken", 0o600)
	if _, err := Add(broken, ""); err == nil {
		t.Error("a key was added to a broken file")
	}
	if have, err := os.ReadFile(broken); err != nil || string(have) != "1 broken" {
		t.Errorf("the broken file is %q now (%v)", have, err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := Add(missing, ""); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(fmt.Sprint(err), missing+": ") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestNumbersAreUsedAgainLast(t *testing.T) {
	for _, c := range []struct {
		have []uint8
		want uint8
	}{{[]uint8{1}, 2}, {[]uint8{9, 3}, 10}, {[]uint8{255}, 1}, {[]uint8{1, 255, 2}, 3}} {
		keys := make([]Key, len(c.have))
		for i, id := range c.have {
			keys[i] = newKey(t, id)
		}
		ring, err := NewRing(keys...)
		if err != nil {
			t.Fatal(err)
		}
		if have := ring.next(); have != c.want {
			t.Errorf("after %v comes key %d, want %d", ring, have, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("1 " + secretA + " words\n2 " + secretB + "\n"))
	f.Add([]byte("# x\n\n255 " + secretA))
	f.Add([]byte(secretA + " 1"))
	f.Add([]byte("1\n1 \n1 \xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := Parse("f", text)
		if err != nil {
			return
		}
		// What was read is written and read back as the same.
		lines := ""
		for i := range ring.Len() {
			lines += ring.At(i).line()
		}
		again, err := Parse("f", []byte(lines))
		if err != nil || again.Len() != ring.Len() {
			t.Fatalf("%v was read back as %v, %v", ring, again, err)
		}
		for i := range ring.Len() {
			if !again.At(i).Equal(ring.At(i)) || again.At(i).Comment != ring.At(i).Comment {
				t.Fatalf("%v was read back as %v", ring, again)
			}
		}
	})
}

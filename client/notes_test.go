package client

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestNotes: what was begun and is not over is known to the next life, which is later.
func TestNotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	first := uint64(100)
	n, open, err := openNotes(path, &first)
	if err != nil || len(open) != 0 || first != 100 {
		t.Fatal(open, err)
	}
	for i := range uint64(3) {
		if err := n.begin(Job{first, i + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.over(Job{first, 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.file.WriteString("over 100 1"); err != nil { // and no end of the line: a crash
		t.Fatal(err)
	}
	other := first
	if _, _, err := openNotes(path, &other); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second process: %v", err)
	}
	n.close()
	second := uint64(50) // a clock that was set back
	n, open, err = openNotes(path, &second)
	if err != nil || second != 101 || !reflect.DeepEqual(open, []Job{{100, 1}, {100, 3}}) {
		t.Fatal(second, open, err)
	}
	for _, of := range open {
		if err := n.over(of); err != nil {
			t.Fatal(err)
		}
	}
	for range noteBytes / 10 {
		if err := n.over(Job{second, 123456}); err != nil {
			t.Fatal(err)
		}
	}
	n.close()
	third := uint64(50)
	n, open, err = openNotes(path, &third)
	if err != nil || third != 102 || len(open) != 0 {
		t.Fatal(third, open, err)
	}
	n.close()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != "life 102\n" {
		t.Errorf("a large file without open jobs is begun anew as %.100q, %v", b, err)
	}
	if err := os.WriteFile(path, []byte("dear diary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openNotes(path, &third); err == nil || !strings.Contains(err.Error(), "dear diary") {
		t.Errorf("another file: %v", err)
	}
}

func FuzzReadNotes(f *testing.F) {
	f.Add("life 1\nopen 1 1\nover 1 1\nopen 1 2")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, text string) {
		records, last, whole, err := readNotes(strings.NewReader(text))
		if err != nil {
			return
		}
		if whole > int64(len(text)) {
			t.Errorf("%d bytes of %d are whole", whole, len(text))
		}
		for _, r := range records {
			if r.Nonce > last {
				t.Errorf("a job of life %d, and the last is %d", r.Nonce, last)
			}
		}
	})
}

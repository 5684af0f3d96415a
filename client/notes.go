package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/holdfast-ha/holdfast/protocol/call"
)

// notes is the file in which a client notes its jobs before it sends them, for its next life. A line is "life N",
// "open LIFE NUMBER" or "over LIFE NUMBER"; a last one that is not whole is none.
type notes struct{ file *os.File }

// openNotes opens or makes the file, for this process alone. It gives the jobs that were open, and sets life to one that is later
// than the last.
func openNotes(path string, life *uint64) (*notes, []Job, error) {
	fail := func(err error) (*notes, []Job, error) {
		return nil, nil, fmt.Errorf("client: Notes %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another process has it open; give each client that lives at the same time a file of its own")
		}
		return fail(err)
	}
	records, last, whole, err := readNotes(f)
	*life = max(*life, last+1)
	n := &notes{f}
	var open []Job
	if err == nil {
		for _, r := range call.Unfinished(records) {
			open = append(open, Job{Life: r.Nonce, Number: r.Number})
		}
		err = n.begun(*life, open, whole)
	}
	if err != nil {
		_ = f.Close()
		return fail(err)
	}
	return n, open, nil
}

// readNotes reads what was noted, and gives the last life and how many bytes are whole lines.
func readNotes(from io.Reader) (records []call.Record, last uint64, whole int64, err error) {
	in := bufio.NewReader(from)
	for {
		line, end := in.ReadString('\n')
		if end != nil {
			return records, last, whole, nil // the job of a line that is not whole was not sent
		}
		whole += int64(len(line))
		var word string
		var r call.Record
		if _, err := fmt.Sscan(strings.TrimSpace(line), &word, &r.Nonce); err != nil {
			return nil, 0, 0, fmt.Errorf("the line %q is no note; remove the file if it is another's", line)
		}
		last = max(last, r.Nonce)
		if word == "life" {
			continue
		}
		if _, err := fmt.Sscan(line, &word, &r.Nonce, &r.Number); err != nil || word != "open" && word != "over" {
			return nil, 0, 0, fmt.Errorf("the line %q is no note; remove the file if it is another's", line)
		}
		r.Over = word == "over"
		records = append(records, r)
	}
}

// begun notes a new life. A file that has grown large is begun anew, if nothing was open: what was is needed until all
// members have heard of it.
func (n *notes) begun(life uint64, open []Job, whole int64) error {
	if whole > noteBytes && len(open) == 0 {
		whole = 0
	}
	if err := n.file.Truncate(whole); err != nil { // of a line that is not whole, too
		return err
	}
	return n.write(fmt.Sprintf("life %d\n", life))
}

// begin notes that a job is to be sent. When it returns the note is on the disk.
func (n *notes) begin(of Job) error {
	if err := n.write(fmt.Sprintf("open %d %d\n", of.Life, of.Number)); err != nil {
		return fmt.Errorf("client: the job cannot be noted, and is not sent: %w", err)
	}
	return nil
}

// over notes that a job has ended. It need not be on the disk soon.
func (n *notes) over(of Job) error {
	_, err := fmt.Fprintf(n.file, "over %d %d\n", of.Life, of.Number)
	return err
}

func (n *notes) write(text string) error {
	if _, err := n.file.WriteString(text); err != nil {
		return err
	}
	return n.file.Sync()
}

func (n *notes) close() { _ = n.file.Close() } // what matters is synced

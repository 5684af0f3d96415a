package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// The record of the greatest tokens of a lock, docs/rfc/0015-lock.md, section 7.
const (
	recordMagic   = "HFGD"
	recordVersion = 1
	recordSlot    = 512 // where the second slot is: the unit that disks write
	recordHead    = 32
	recordSum     = 4
)

// record is what a file says.
type record struct {
	lock string
	turn uint64 // of writing; 0: nothing is written yet
	seen seen
}

// castagnoli is the polynomial of CRC-32C.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// appendSlot appends a slot.
func (r record) appendSlot(dst []byte) []byte {
	begin := len(dst)
	dst = append(append(dst, recordMagic...), recordVersion, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.lock)))
	dst = binary.BigEndian.AppendUint64(dst, r.turn)
	dst = binary.BigEndian.AppendUint64(dst, r.seen.Exclusive)
	dst = binary.BigEndian.AppendUint64(dst, r.seen.Shared)
	dst = append(dst, r.lock...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[begin:], castagnoli()))
}

// parseSlot reads a slot; false if it is none.
func parseSlot(b []byte) (record, bool) {
	if len(b) < recordHead || string(b[:4]) != recordMagic || b[4] != recordVersion || b[5] != 0 {
		return record{}, false
	}
	n := int(binary.BigEndian.Uint16(b[6:]))
	if n == 0 || n > nameMax || len(b) < recordHead+n+recordSum {
		return record{}, false
	}
	end := recordHead + n
	if crc32.Checksum(b[:end], castagnoli()) != binary.BigEndian.Uint32(b[end:]) {
		return record{}, false
	}
	r := record{lock: string(b[recordHead:end]), turn: binary.BigEndian.Uint64(b[8:])}
	r.seen = seen{binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])}
	return r, r.turn != 0
}

// parseRecord reads the content of a file. A slot that was torn while it was written is passed over: the
// other one is what counted before.
func parseRecord(b []byte, lock string) (record, error) {
	if len(b) == 0 {
		return record{lock: lock}, nil
	}
	first, ok := parseSlot(b[:min(len(b), recordSlot)])
	if len(b) > recordSlot {
		if second, ok2 := parseSlot(b[recordSlot:]); ok2 && (!ok || second.turn > first.turn) {
			first, ok = second, true
		}
	}
	switch {
	case !ok && torn(b):
		return record{lock: lock}, nil
	case !ok:
		return record{}, errors.New("the record is damaged: find the greatest token that was used, or enter the lock anew, and remove the file")
	case first.lock != lock:
		return record{}, fmt.Errorf("the record is of lock %q, and this is guarded by lock %q: use another file", first.lock, lock)
	}
	return first, nil
}

// torn says whether a file holds but a part of the very first slot: the crash came before
// anybody was admitted.
func torn(b []byte) bool {
	if len(b) < recordHead {
		return true
	}
	return string(b[:4]) == recordMagic && len(b) < recordHead+int(binary.BigEndian.Uint16(b[6:]))+recordSum
}

// readRecord reads a record from its file.
func readRecord(f *os.File, lock string) (record, error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 2*recordSlot+1))
	if err != nil {
		return record{}, err
	}
	if len(b) > 2*recordSlot {
		return record{}, errors.New("the file is longer than a record: it is something else; use another file")
	}
	return parseRecord(b, lock)
}

// writeRecord writes a record behind the one that counts, and returns when it is durable.
func writeRecord(f *os.File, r record) error {
	r.turn++
	at := int64(0)
	if r.turn%2 == 0 {
		at = recordSlot
	}
	if _, err := f.WriteAt(r.appendSlot(nil), at); err != nil {
		return err
	}
	return f.Sync()
}

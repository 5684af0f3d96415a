package voted

import "testing"

// FuzzRead reads messages that no member has made: nothing panics, and what is read lies in them.
func FuzzRead(f *testing.F) {
	f.Add([]byte{1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{3, 1, 1, 1, 2, 0, 9})
	f.Add([]byte{3, 1, 5, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2})
	f.Add([]byte{2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0})
	f.Add([]byte{4, 1, 7, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		msg, ok := read(payload)
		if !ok {
			return
		}
		if len(msg.body) > len(payload) {
			t.Errorf("%d bytes have a body of %d", len(payload), len(msg.body))
		}
		if msg.kind == kindCommand {
			return
		}
		count := 0
		msg.each(func(index, _ uint64, body []byte) {
			if count++; index < msg.first || len(body) > comparedMax {
				t.Errorf("a vote on %d of %d bytes", index, len(body))
			}
		})
		if count != msg.count {
			t.Errorf("%d votes are said to be %d", count, msg.count)
		}
	})
}

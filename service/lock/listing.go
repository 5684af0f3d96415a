package lock

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// tail is what is kept free at the end of a reply for numbers that are known last.
const tail = 16

// list gives a page of locks by name.
func (s *Service) list(c session.Command, q *request, reply []byte) []byte {
	most := pageMax
	if q.most > 0 {
		most = min(most, q.most)
	}
	page := s.page[:0]
	for _, l := range s.all {
		if l.owners.n+l.waiters.n == 0 || !bytes.HasPrefix(l.name, q.name) || len(q.after) > 0 && bytes.Compare(l.name, q.after) <= 0 {
			continue
		}
		if len(page) > most { // one more tells that there is more
			if compareLocks(l, page[most]) > 0 {
				continue
			}
			page = page[:most]
		}
		i, _ := slices.BinarySearchFunc(page, l, compareLocks)
		page = slices.Insert(page, i, l)
	}
	s.page = page
	begin := len(reply)
	reply = append(s.appendLeft(head(reply, Listed, c.At), c.At), 0, 0) // more, number: below pageMax, a byte each
	at, n := len(reply)-2, 0
	for _, l := range page {
		before := len(reply)
		if reply = appendLine(reply, l.name, l); n == most || len(reply)-begin > ReplyMax {
			reply = reply[:before]
			break
		}
		n++
	}
	reply[at+1] = byte(n)
	if n < len(page) {
		reply[at] = 1
	}
	clear(s.page)
	return reply
}

// explain gives the owners of a lock and its queue.
func (s *Service) explain(c session.Command, q *request, l *lock, reply []byte) []byte {
	begin := len(reply)
	reply = append(s.appendLeft(head(reply, Explained, c.At), c.At), 0)
	at := len(reply) - 1
	reply = appendLine(reply, q.name, l)
	if l == nil {
		return append(reply, 0, 0, 0)
	}
	reply = appendBreaking(reply, &l.broken)
	shown := 0
	if q.number == 0 {
		shown = min(l.owners.n, ownersShown)
	}
	reply = binary.AppendUvarint(reply, uint64(shown))
	for e := l.owners.head; shown > 0; e, shown = e.next, shown-1 {
		reply = appendSeat(reply, e)
	}
	most := pageMax
	if q.most > 0 {
		most = min(most, q.most)
	}
	reply = append(reply, 0)
	counted, n := len(reply)-1, 0
	for e := l.waiters.head; e != nil; e = e.next {
		if e.number <= q.number {
			continue
		}
		before := len(reply)
		if reply = appendSeat(reply, e); n == most || len(reply)-begin > ReplyMax-tail {
			reply = reply[:before]
			reply[at] = 1
			break
		}
		n++
	}
	reply[counted] = byte(n)
	return reply
}

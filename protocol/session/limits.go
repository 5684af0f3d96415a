package session

import "time"

// What is in docs/rfc/0013-session.md must be the same at all replicas: a change is a new version of
// the format.
const (
	// BodyMax is the longest body of a request or a reply in bytes: a mebibyte with its head and what
	// carries it, so that a buffer of that size is enough everywhere.
	BodyMax = 1<<20 - 256

	// RequestMax and ReplyMax are the longest of either in bytes.
	RequestMax = requestHead + BodyMax
	ReplyMax   = replyHead + BodyMax

	// LabelMax is the longest label in bytes: a name of a host of 63 bytes, a process, some room.
	LabelMax = 80

	// LeaseMin is the shortest lease: below, a single delayed datagram ends a session. LeaseMax is the
	// longest: a crashed client's locks come free within a day, if nobody breaks them.
	LeaseMin = 10 * time.Millisecond
	LeaseMax = 24 * time.Hour

	// Window is how many numbers beyond the acknowledged ones a session may use. A client with that many
	// calls on their way fills any local network; at 40 bytes a slot a session has 10 KiB of them.
	Window = 256

	// sessionsMax is the most sessions: one a process of a large installation. With slots for the whole
	// window each they take 160 MiB.
	sessionsMax = 1 << 14

	// ProcessMax is how many of them a member opens for one process of its machine: a program needs one, and one
	// that opens them and forgets them leaves the others room for theirs. No part of the format: each member minds its own.
	ProcessMax = sessionsMax / 16

	// keptMax and keptAll are how many bytes of replies one session, and all of them, may have kept before
	// a new call is put off. The reply of the last call goes beyond, by ReplyMax at most.
	keptMax = 4 << 20
	keptAll = 64 << 20

	// digestsMax is how many of the last indexes an executor knows the digest of: replicas that differ
	// by more commands than that are compared after the slower one has caught up.
	digestsMax = 4096

	// freeMax and freeSize bound the buffers kept for further replies: as many as one busy client's window, of
	// the size of usual replies.
	freeMax  = 4 * Window
	freeSize = 1024

	// chunkSize is the most bytes of a snapshot that are checked, and held in memory, at once.
	chunkSize = 64 << 10
)

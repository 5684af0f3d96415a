// Package journal is what a member keeps on a disk: a log of records with checksums, in
// segments, and snapshots of what the records have made. A record is bytes that the
// journal does not look into; records are numbered from 1, and the number is the index.
//
// It is pure: what it does to files it does through [Dir] and [File], which
// internal/edge/disk implements with a directory and internal/sim/simdisk with a disk
// that loses what was not synced. Both run this very code, the order of writes, syncs
// and renames included.
//
// [Open] recovers: it judges everything that is there, hands the newest whole snapshot and
// the records after it to a [State], and gives a [Log]. A torn tail is cut and told
// ([Cut]); damage anywhere else, and what belongs to somebody else, is refused with the
// place and the remedy ([Refusal]), before anything has been handed over.
//
// A [Log] takes appends at once and does the work in [Job]s, which its owner does one
// after the other, in a goroutine or in virtual time. What is appended while a job runs is
// written together and synced once by the next: group commit.
//
// # Promises
//
// What [Completion] has told as durable is handed over by every later recovery, in order
// and once, or recovery refuses. Nothing is handed over that was not appended. What was
// appended and not told durable is handed over up to some index, and not from there on.
// After the first failure of a write or a sync nothing more is told durable, ever, and
// nothing more is written: after a failed fsync the kernel may have dropped the pages, and
// a second one would succeed without them (PostgreSQL learned it in 2018; Rebello and
// others, "Can Applications Recover from fsync Failures?", 2020).
//
// # Assumptions
//
// A sync that succeeds is true. A sector that is being written when the power fails holds
// old bytes, new bytes or a part of each. What cannot be told from the files is in
// docs/rfc/0014-journal.md, section 7.
//
// Sources: the seed's stable storage and the write-ahead logs of the field; that a record
// testifies what was durable before it, which tells a torn tail from damage, is ours.
package journal

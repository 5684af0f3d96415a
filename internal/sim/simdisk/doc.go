// Package simdisk is a disk in virtual time, for the simulator: it loses what was not
// synced, fills up, fails, forgets and decays, all drawn from a seed.
//
// A [Disk] is a journal.Dir with one directory. What is done to it takes time: each
// operation begins when the one before has ended, and takes effect at its end. A
// [Log] runs the very code that runs over real files, journal.Log, against it.
//
// [Disk.Crash] is a power cut. Of what was not synced it keeps any part: each sector of
// 512 bytes that was written and not synced has its new bytes, its old bytes or the
// beginning or end of the new ones; a sector that had never been written may show what a
// removed file had there; a size that was not synced is old, new or between; of what
// was created, renamed and removed, and not made durable by a sync of the directory, any
// selection has happened. [Disk.Kill] is the death of the process alone: what the kernel has been
// told is there.
//
// A sync that fails ([Disk.FailSync]) drops the pages: reads show them, the disk does not
// have them, and a later sync succeeds without writing them, as ext4 and XFS do.
//
// What it does not do: destroy sectors that are not being written, but for
// [Disk.Flip]; lie about a sync that succeeded.
//
// Source: Rebello and others, "Can Applications Recover from fsync Failures?" (USENIX
// ATC 2020); Pillai and others, "All File Systems Are Not Created Equal" (OSDI 2014).
package simdisk

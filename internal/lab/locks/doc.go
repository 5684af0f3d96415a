// Package locks lets real processes live through everything that happens to a lock service: three members on machines of their own
// (internal/lab/segment), and clients that hold locks and write to guarded files, while members and clients are killed, clients are
// stopped for longer than their lease, and the network falls apart.
//
// Members record what they execute, clients what they believe, and the files are the record of what the resource took: lines with the
// kernel's monotonic clock, which all processes of a machine share. Sorted by time they are the history that the judges of package
// check/service judge. What the kernel has of a file outlives kill -9.
//
// A client believes that it holds a lock from the first to the last moment at which [github.com/holdfast-ha/holdfast/lock.Lock.Holds]
// said so: it does nothing under the lock without having asked. So a client that stands still is not taken for one that acts.
//
// The whole package is its tests; see them for how to go on for longer.
package locks

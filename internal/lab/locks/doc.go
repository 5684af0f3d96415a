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
// Half of the worlds are durable: the members keep the locks, and a service of cells beside them, on disks of their own (disks_test.go), and
// anything may happen to them and to their disks: all are killed at once, disks are full, syncs fail, logs are damaged or
// torn, a disk is lost. What callers of the cells were answered, and what the members have in their state at the end, is judged by
// the judges of services. What a process wrote and did not sync outlives kill -9, so what a disk loses when its power fails is not
// seen here; the simulator has that (internal/sim/services).
//
// Where all members are lost and remember nothing (recovery_test.go) the history has several lives of the service: each
// begins with what its clients have told it.
//
// The whole package is its tests; see them for how to go on for longer.
package locks

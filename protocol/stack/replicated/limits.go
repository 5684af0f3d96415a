package replicated

// snapshotDefault is after how many bytes of records a snapshot is taken: what is read and executed again
// in a fraction of a second after a restart.
const snapshotDefault = 8 << 20

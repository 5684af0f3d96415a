package replicated

import "encoding/binary"

// headMax is the most that a message has before that of the machine, bytes, in a service on disks: how far the
// sender's has come.
const headMax = binary.MaxVarintLen64

// heldMax is how many bytes of answers may wait for the disks before requests are refused as busy: what
// is under way then goes beyond it.
const heldMax = 64 << 20

// snapshotDefault is after how many bytes of records a snapshot is taken: what is read and executed again
// in a fraction of a second after a restart.
const snapshotDefault = 8 << 20

// unreadMax is how many states in a row may come that are not sound before this member gives up: each may
// be of another donor, and a donor that is damaged is found at its next acknowledgement.
const unreadMax = 5

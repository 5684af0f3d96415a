package ctnetlink

import (
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// Verb says what is to be done with a flow.
type Verb uint8

// The verbs.
const (
	// Put makes the table have the flow as given: it creates, changes or replaces. It
	// is authoritative: an entry in its way (the same tuple with another translation,
	// the same translated port for another flow, a status that cannot be taken back)
	// is deleted. A flow that is translated costs three messages when it is there
	// already; Change costs one. One exception: of a flow that is not translated, an
	// entry that is (the rules were changed in between) is not noticed; who knows of
	// such an entry deletes it first.
	Put Verb = iota

	// Change is Put for a flow of which the caller knows that it put it before with the
	// same translation. The entry's translation is not looked at.
	Change

	// Create puts the flow unless it is there, which is told as ErrExists. This is the
	// verb for a table that packets are already passing through.
	Create

	// Delete removes the flow; that it is not there is no failure.
	Delete
)

// Op is one thing to do. The flow is read during Apply only.
type Op struct {
	Verb Verb
	Flow *flow.Flow
}

// TableConfig says how flows are written.
type TableConfig struct {
	// StrictWindows has the kernel check TCP windows of flows put here as strictly as
	// those it saw from the beginning. The default is to check liberally
	// (IP_CT_TCP_FLAG_BE_LIBERAL in both directions; resets are still checked): the
	// edges of the window cannot be restored, and the kernel takes them from the
	// first packet of each direction. If this is a retransmission of what the peer
	// has received already, as is usual after some packets were lost at a takeover,
	// the peer's acknowledgement lies beyond what the kernel has seen, is INVALID, and
	// a rule that drops such packets cuts the connection for good.
	// A flow that was liberal where it was tracked stays so in any case.
	StrictWindows bool
}

// TableStats counts since OpenTable.
type TableStats struct {
	Messages  uint64 // sent
	Batches   uint64 // sendmsg calls
	Replaced  uint64 // flows put after what was in their way had been deleted
	Orphans   uint64 // related flows put without their master, which was not there
	Helpless  uint64 // flows put without their helper, which this kernel does not have
	Unlabeled uint64 // flows put without their labels, which this table has no room for
	Failed    uint64 // operations that failed
}

// Table writes the connection tracker's table. So that what it puts has its effect, the
// rules of the network namespace must be those of the firewall the flows come from: a
// base chain of type nat for translation, a rule that sets labels for labels to have
// room, one that assigns a helper or its module for helpers.
type Table struct {
	sock   *socket
	out    writer
	seq    uint32
	stats  TableStats
	found  flow.Flow
	buffer []byte

	work  [batchMax]work
	sent  [messagesPerOp * batchMax]sentMessage // of a round, by sequence number from base
	base  uint32                                // sequence number of sent[0]
	count int                                   // messages of this round
	last  int                                   // messages of this round that were sent
}

// OpenTable opens the table of the calling thread's network namespace.
func OpenTable(cfg TableConfig) (*Table, error) {
	s, err := openSocket()
	if err != nil {
		return nil, opError("open table", err)
	}
	t := &Table{sock: s, buffer: make([]byte, receiveMax)}
	t.out = writer{b: make([]byte, 0, sendMax+3*messageMax), strict: cfg.StrictWindows}
	if err := t.setup(); err != nil {
		s.close()
		return nil, opError("open table", err)
	}
	return t, nil
}

func (t *Table) setup() error {
	if _, err := t.sock.resize(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, 2*sendMax); err != nil {
		return err
	}
	if _, err := t.sock.resize(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, tableBuffer); err != nil {
		return err
	}
	// A failure then answers with the header of what failed, not with all of it.
	return unix.SetsockoptInt(t.sock.fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
}

// Port is the address of the table's socket, which events caused by it carry.
func (t *Table) Port() uint32 { return t.sock.port }

// Stats gives the counters.
func (t *Table) Stats() TableStats { return t.stats }

// Close closes the table's socket. The entries stay.
func (t *Table) Close() error { return opError("close table", t.sock.close()) }

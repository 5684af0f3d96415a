package services

import (
	"encoding/binary"
	"fmt"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/guard/fence"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// resource is what locks protect: it has a guard, and never fails.
type resource struct {
	world.Host
	l      *locks
	fences [locksMost]fence.Fence
}

// write is what a client wants to do to the resource.
type write struct {
	client int
	key    uint32
	token  uint64
	shared bool
}

const writeSize = 17

func (x write) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(x.client))
	b = binary.BigEndian.AppendUint32(b, x.key)
	b = binary.BigEndian.AppendUint64(b, x.token)
	if x.shared {
		return append(b, 1)
	}
	return append(b, 0)
}

// Receive takes a write, unless its token is stale.
func (r *resource) Receive(d *simnet.Datagram) {
	_, b, why := wire.Open(d.Frame)
	if why != wire.OK || len(b) != writeSize {
		return
	}
	x := write{int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint64(b[8:]), b[16] == 1}
	f := &r.fences[x.key]
	if f.Stale(x.token, x.shared) {
		r.l.stale++
		r.l.w.Did(fmt.Sprintf("is refused lock %d with token %d", x.key, x.token), d.From, r.Self)
		return
	}
	*f = f.With(x.token, x.shared)
	r.l.say(service.Fact{Kind: service.Wrote, Client: x.client, Key: x.key, Value: x.token, Shared: x.shared})
}

func (r *resource) Tick() {}
func (r *resource) Work() {}

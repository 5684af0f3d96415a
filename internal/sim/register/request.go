package register

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/holdfast-ha/holdfast/check/service"
)

// Request is what a client asks. Client and Call tell the observer whose it is.
type Request struct {
	Client int
	Call   uint64
	Op     service.Op
	Key    uint32 // of the cell; below CellCount
	Value  uint64
	Fill   int // bytes that make it longer
}

// requestSize is how long a request is without what fills it, bytes.
const requestSize = 25

// Append appends the request's bytes.
func (r *Request) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(r.Client))
	b = binary.BigEndian.AppendUint64(b, r.Call)
	b = append(b, byte(r.Op))
	b = binary.BigEndian.AppendUint32(b, r.Key)
	b = binary.BigEndian.AppendUint64(b, r.Value)
	for i := range r.Fill {
		b = append(b, byte(r.Value)+byte(i))
	}
	return b
}

// Read reads a request; false if its bytes are not those that a client has sent.
func Read(b []byte) (Request, bool) {
	if len(b) < requestSize {
		return Request{}, false
	}
	r := Request{
		int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint64(b[4:]), service.Op(b[12]),
		binary.BigEndian.Uint32(b[13:]) % CellCount, binary.BigEndian.Uint64(b[17:]), len(b) - requestSize,
	}
	for i, c := range b[requestSize:] {
		if c != byte(r.Value)+byte(i) {
			return r, false
		}
	}
	return r, true
}

// Draw draws a request: what, of which cell, and with which value.
func Draw(r *rand.Rand, client int, call uint64) Request {
	return Request{Client: client, Call: call, Op: service.Op(1 + r.IntN(3)), Key: uint32(r.IntN(CellCount)), Value: r.Uint64()}
}

// Called is what the observer is told when the call begins.
func (r *Request) Called() service.Fact {
	return service.Fact{
		Kind: service.Called, Client: r.Client, Call: r.Call, Op: r.Op, Key: r.Key, Value: r.Value,
		Session: uint64(r.Client), Number: r.Call,
	}
}

// Answered is what it is told of an answer.
func (r *Request) Answered(body []byte) service.Fact {
	return service.Fact{Kind: service.Answered, Client: r.Client, Call: r.Call, Value: binary.BigEndian.Uint64(body)}
}

// Unknown is what it is told when nobody will ever know.
func (r *Request) Unknown() service.Fact {
	return service.Fact{Kind: service.Unknown, Client: r.Client, Call: r.Call}
}

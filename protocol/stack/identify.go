package stack

import (
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// identify says our names to the peers that do not hear us, or may not agree with us.
func (s *Stack) identify(now time.Time, out *Output) {
	if now.Before(s.identifyAt) {
		return
	}
	s.identifyAt = now.Add(identifyEvery)
	for i := range s.peers {
		p := &s.peers[i]
		if s.takeover.Hears(p.id) && p.refused == "" {
			continue
		}
		b := out.identify.Begin(wire.Header{Channel: wire.Identify, Fingerprint: s.cfg.Fingerprint})
		b = wire.AppendBlock(b, []byte(s.cfg.Cluster))
		b = wire.AppendBlock(b, []byte(s.name))
		out.identify.End(p.id, wire.AllLinks, b)
	}
}

// identified learns why a peer cannot be spoken with.
func (s *Stack) identified(now time.Time, p *peer, h wire.Header, payload []byte) wire.Reason {
	r := wire.NewReader(payload)
	cluster, name := r.Block(nameMax), r.Block(nameMax)
	if !r.Done() {
		return wire.Malformed
	}
	switch {
	case string(cluster) != s.cfg.Cluster:
		p.refused = fmt.Sprintf("it says that it is %q of cluster %q; this is cluster %q", name, cluster, s.cfg.Cluster)
	case h.Fingerprint != s.cfg.Fingerprint:
		p.refused = fmt.Sprintf("%q of this cluster has another configuration; make the shared parts of both files equal", name)
	case string(name) != s.memberName(p):
		p.refused = fmt.Sprintf("it says that it is %q; the configuration here calls it %q", name, s.memberName(p))
	default:
		p.refused = ""
		return wire.OK
	}
	s.record(trace.Event{At: now, Node: s.cfg.Self.ID, Peer: p.id, Kind: trace.Identified})
	return wire.ForeignCluster
}

func (s *Stack) memberName(p *peer) string {
	for _, m := range s.cfg.Members {
		if m.ID == p.id {
			return m.Name
		}
	}
	return ""
}

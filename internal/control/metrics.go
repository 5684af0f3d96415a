package control

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one metric made from a status. collect sends its values.
type metric struct {
	name, help string
	labels     []string
	kind       prometheus.ValueType
	collect    func(s *Status, send func(value float64, labels ...string))
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// metrics lists every metric: the names are part of the interface, as the fields of
// Status are. Units are seconds and bytes, as Prometheus wants them.
func metrics() []metric {
	return slices.Concat(nodeMetrics(), peerMetrics(), counterMetrics())
}

func nodeMetrics() []metric {
	return []metric{
		{"holdfast_survives", "How many more nodes may fail without the service or its states being lost.", nil, gauge,
			func(s *Status, send func(float64, ...string)) { send(float64(s.Survives)) }},
		{"holdfast_verdict", "1 for the present verdict, 0 for the others.", []string{"verdict"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				for _, v := range []Verdict{Protected, Degraded, Unprotected} {
					send(truth(s.Verdict == v), string(v))
				}
			}},
		{"holdfast_role", "1 for the present role of this node, 0 for the others.", []string{"role"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				for _, r := range []Role{Waiting, Standby, Promoting, Active, Draining} {
					send(truth(s.Role == r), string(r))
				}
			}},
		{"holdfast_role_since_seconds", "When this node took its role, in seconds since 1970.", nil, gauge,
			func(s *Status, send func(float64, ...string)) { send(float64(s.Since.UnixMilli()) / 1e3) }},
		{"holdfast_epoch", "The number of the present view.", nil, gauge,
			func(s *Status, send func(float64, ...string)) { send(float64(s.Epoch)) }},
		{"holdfast_info", "Always 1.", []string{"cluster", "node", "version", "fingerprint"}, gauge,
			func(s *Status, send func(float64, ...string)) { send(1, s.Cluster, s.Node, s.Version, s.Fingerprint) }},
		{"holdfast_address_held", "1 where this node holds the virtual address.", []string{"address", "interface"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				for _, a := range s.Addresses {
					send(truth(a.Held), a.Prefix, a.Interface)
				}
			}},
		{"holdfast_interface_up", "1 where a tracked interface is up.", []string{"interface"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				for _, i := range s.Tracked {
					send(truth(i.Up), i.Name)
				}
			}},
		{"holdfast_faults", "Conditions on this node that reduce protection.", nil, gauge,
			func(s *Status, send func(float64, ...string)) { send(float64(len(s.Faults))) }},
		{"holdfast_flows", "Flows: own (tracked here and replicated), held (of peers), kernel (entries of the table).", []string{"kind"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				send(float64(s.Flows.Own), "own")
				send(float64(s.Flows.Held), "held")
				send(float64(s.Flows.Kernel), "kernel")
			}},
		{"holdfast_kernel_flows_max", "The size of the kernel's connection tracking table.", nil, gauge,
			func(s *Status, send func(float64, ...string)) { send(float64(s.Flows.KernelMax)) }},
	}
}

// eachPeer makes a metric with one value for each peer.
func eachPeer(name, help string, value func(*Peer) float64) metric {
	return metric{name, help, []string{"peer"}, gauge, func(s *Status, send func(float64, ...string)) {
		for i := range s.Peers {
			send(value(&s.Peers[i]), s.Peers[i].Name)
		}
	}}
}

func peerMetrics() []metric {
	return []metric{
		eachPeer("holdfast_peer_alive", "1 where a peer is heard.", func(p *Peer) float64 { return truth(p.Alive) }),
		eachPeer("holdfast_peer_ready", "1 where a peer says that it could take over.", func(p *Peer) float64 { return truth(p.Ready) }),
		eachPeer("holdfast_peer_refused", "1 where a peer is not accepted.", func(p *Peer) float64 { return truth(p.Refused != "") }),
		{"holdfast_peer_proof", "1 for what is known of the peer's copy of this node's states, 0 for the others.", []string{"peer", "state"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				for _, p := range s.Peers {
					for _, state := range []ProofState{Proven, Behind, Diverged, Syncing, Away, Unknown} {
						send(truth(p.Proof.State == state), p.Name, string(state))
					}
				}
			}},
		{"holdfast_peer_last_proven_seconds", "How long ago the peer's copy was proven equal; absent if never.", []string{"peer"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				for _, p := range s.Peers {
					if p.Proof.LastProvenMSAgo != nil {
						send(float64(*p.Proof.LastProvenMSAgo)/1e3, p.Name)
					}
				}
			}},
		eachPeer("holdfast_peer_behind", "Changes that the peer has not confirmed.", func(p *Peer) float64 { return float64(p.Proof.ObjectsBehind) }),
		eachPeer("holdfast_peer_lag_seconds", "Age of the oldest change that the peer has not confirmed.", func(p *Peer) float64 { return float64(p.Proof.LagMS) / 1e3 }),
		eachPeer("holdfast_peer_confirmed", "States that the peer has confirmed to hold.", func(p *Peer) float64 { return float64(p.Proof.Confirmed) }),
		eachPeer("holdfast_peer_received", "States of the peer that this node holds.", func(p *Peer) float64 { return float64(p.Received.Objects) }),
		eachPeer("holdfast_peer_synced", "1 where this node's copy of the peer's states is whole.", func(p *Peer) float64 { return truth(p.Received.Synced) }),
		eachPeer("holdfast_peer_missing", "Messages of the peer that are known to be missing.", func(p *Peer) float64 { return float64(p.Received.Gaps) }),
		{"holdfast_link_heard", "1 where a peer is heard on a link.", []string{"peer", "link"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				for _, p := range s.Peers {
					for _, l := range p.Links {
						send(truth(l.Heard), p.Name, l.Label)
					}
				}
			}},
		{"holdfast_link_silent_seconds", "Time since the last datagram of a peer on a link; absent if never heard.", []string{"peer", "link"}, gauge,
			func(s *Status, send func(float64, ...string)) {
				for _, p := range s.Peers {
					for _, l := range p.Links {
						if l.SilentMS != nil {
							send(float64(*l.SilentMS)/1e3, p.Name, l.Label)
						}
					}
				}
			}},
	}
}

// total makes a counter.
func total(name, help string, value func(*Status) uint64) metric {
	return metric{name, help, nil, counter, func(s *Status, send func(float64, ...string)) { send(float64(value(s))) }}
}

// totals makes a counter with one value for each key of a map.
func totals(name, help, label string, values func(*Status) map[string]uint64) metric {
	return metric{name, help, []string{label}, counter, func(s *Status, send func(float64, ...string)) {
		counts := values(s)
		for _, key := range slices.Sorted(maps.Keys(counts)) {
			send(float64(counts[key]), key)
		}
	}}
}

func counterMetrics() []metric {
	return []metric{
		totals("holdfast_dropped_total", "Datagrams and frames not taken, by reason.", "reason", func(s *Status) map[string]uint64 { return s.Counters.Dropped }),
		totals("holdfast_injection_errors_total", "Flows that the kernel did not take, by its error.", "error", func(s *Status) map[string]uint64 { return s.Counters.InjectionErrors }),
		total("holdfast_injections_total", "Flows put into the kernel.", func(s *Status) uint64 { return s.Counters.Injections }),
		total("holdfast_events_total", "Changes of flows read from the kernel.", func(s *Status) uint64 { return s.Counters.Events }),
		total("holdfast_overruns_total", "Times the kernel lost changes; each is followed by a full comparison.", func(s *Status) uint64 { return s.Counters.Overruns }),
		total("holdfast_not_replicated_total", "Flows left out because max_flows was reached.", func(s *Status) uint64 { return s.Flows.NotReplicated }),
		total("holdfast_frames_sent_total", "Frames sent to peers.", func(s *Status) uint64 { return s.Counters.FramesSent }),
		total("holdfast_frames_received_total", "Frames received from peers.", func(s *Status) uint64 { return s.Counters.FramesReceived }),
		total("holdfast_sent_bytes_total", "Bytes of datagrams sent, without IP headers.", func(s *Status) uint64 { return s.Counters.BytesSent }),
		total("holdfast_received_bytes_total", "Bytes of datagrams received, without IP headers.", func(s *Status) uint64 { return s.Counters.BytesReceived }),
		total("holdfast_resyncs_total", "Full resyncs begun.", func(s *Status) uint64 { return s.Counters.Resyncs }),
		total("holdfast_nacks_total", "Gaps asked for.", func(s *Status) uint64 { return s.Counters.Nacks }),
		total("holdfast_takeovers_total", "Times this node became active.", func(s *Status) uint64 { return s.Counters.Takeovers }),
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// collector makes the metrics anew for each scrape, so that they never disagree with
// each other.
type collector struct{ server *Server }

// Describe sends nothing: which peers, links and reasons exist is known at the scrape.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks for the status and sends every metric.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	st, err := c.server.status(context.Background())
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewDesc("holdfast_info", "Always 1.", nil, nil), err)
		return
	}
	for _, m := range metrics() {
		desc := prometheus.NewDesc(m.name, m.help, m.labels, nil)
		m.collect(&st, func(value float64, labels ...string) {
			sample, err := prometheus.NewConstMetric(desc, m.kind, value, labels...)
			if err != nil {
				sample = prometheus.NewInvalidMetric(desc, err)
			}
			out <- sample
		})
	}
}

// Package sim runs the machines of the protocol in virtual time, on one thread, with
// every fault we can think of, and asks the judges of package check whether the promises
// hold.
//
// A run is one seed. The seed draws everything: how many nodes there are, their settings,
// which faults are on and how strong, what the services do and when. Each run has two
// phases. In the first anything may happen and the judges listen: safety. Then the
// network is calm, every node lives and nothing changes, and within a bounded virtual
// time everything must be as promised: liveness. The same seed gives the same events, to
// the last bit, which [Log] sums up in a hash.
//
// The worlds are in packages below: internal/sim/proxies has two to five state proxies
// that back each other up; internal/sim/pair has whole nodes with kernels and addresses; internal/sim/cohorts
// has members of groups; internal/sim/services has replicated services, registers and locks, internal/sim/servers those of
// two servers, internal/sim/peers locks without a service.
//
// A seed says nothing of the steps it did not strike. So worlds of services are also run with one fault before each step
// of a short run: TestEveryFaultAtEveryStep, in their packages.
//
// The network is internal/sim/simnet. This package has what worlds share: clocks, the
// log of a run, the report.
//
// The idea of the two phases, of drawing the faults themselves, and of exit codes by
// class is that of TigerBeetle's VOPR.
package sim

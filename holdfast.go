// Package holdfast keeps stateful services alive: it replicates a service's state
// between machines, detects failures, hands address and state to a healthy machine, and
// proves at any moment what would survive.
//
// What a program imports to be kept alive itself will stand here, in at most ten names.
// It does not yet: so far Holdfast is the program `holdfast`, which keeps a pair of
// stateful Linux firewalls (cmd/holdfast, README.md). The machines that it is made of
// are pure and can be imported as they are: protocol/replica/stateproxy replicates any
// set of keys and states, protocol/takeover decides who is active, and protocol/stack
// joins the two. ARCHITECTURE.md is the map.
package holdfast

// Command bench measures Holdfast beside conntrackd, beside keepalived with conntrackd, and
// its groups beside Corosync, JGroups, NATS and hashicorp/raft, on one machine in one run.
//
//	go run ./bench [takeover|inject|cost|group|all] [--quick] [--json] [--rounds N] [--plots DIR]
//
// The two firewalls run on the test bed of internal/lab: a client, two firewalls and a
// server in network namespaces. Rounds alternate between the programs, so that what
// else the machine does falls on both. Groups run on three machines of package group. Medians are shown with the least and the greatest.
// bench/README.md says what each figure means, what was measured last, and where.
//
// Sources: the seed's chapter 7 (test bed, figure 7.4); conntrackd(8), keepalived.conf(5),
// and the script primary-backup.sh that conntrackd brings for keepalived.
package main

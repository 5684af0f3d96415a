// Package replica holds the words that the machines of all replication styles share: what a
// step of one puts out, what is kept until it may be answered, the agreed time, when the other of
// two is taken for silent, and who has diverged by the digests that members tell. The styles are
// the packages below; protocol/stack/replicated and protocol/stack/duo run them.
package replica

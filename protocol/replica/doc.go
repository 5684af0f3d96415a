// Package replica holds the words that the machines of all replication styles share: what a
// step of one puts out, what is kept until it may be answered, the agreed time, and who has
// diverged by the digests that members tell. The styles are the packages below; protocol/
// stack/replicated runs any of them.
package replica

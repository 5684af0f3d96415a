// Package detect suspects processes that have failed: one machine a process watches all
// other candidates, for all groups that the process is in.
//
// Each member sends a heartbeat to every other on every link once each interval
// (docs/rfc/0009-detect.md). Any frame counts as a sign of life, heartbeats alone as
// arrivals: from the intervals between those the machine knows how regular a peer is, and
// from the silence of the moment how likely it is that the peer is only late. That is the
// level of suspicion, φ.
//
// # Source
//
// N. Hayashibara, X. Défago, R. Yared, T. Katayama: The φ Accrual Failure Detector, SRDS
// 2004. What differs: a suspicion takes a least time (SuspectAfter) and a greatest
// (twice that), for its users are promised both; the deviation has a floor; a window of
// arrivals is 128 long, not 1000. "Perfect" and "eventually perfect" are those of T. D.
// Chandra and S. Toueg: Unreliable Failure Detectors for Reliable Distributed Systems,
// Journal of the ACM 43(2), 1996; Config.Perfect is the former, for a simulator.
//
// # Promises
//
// With heartbeat h and SuspectAfter s, and times as this process was run:
//
//   - A peer that fails is suspected s after the last frame from it was heard if its
//     heartbeats came regularly and it was not suspected wrongly of late, 2s after it at the latest; and s or 2s and two
//     heartbeats if this process was paused meanwhile.
//   - A peer is never suspected before s of silence on all links.
//   - The time in which this process was not run is nobody's silence, but for the time to its
//     next heartbeat. What counts as such is being called more than s/4 too late.
//   - The moment that a later life of a peer is heard, the former one is suspected, for good.
//   - A peer heard again in the same life is trusted again at once, and what was a mistake is
//     remembered: each makes the next suspicion wait s/2 longer, up to 2s in all, and half
//     of it is forgotten in half an hour.
//   - Of one life, Changes alternate, the first being trust.
//   - A clock that jumps makes none of this worse by more than one pause.
//
// # Assumptions
//
// Who sent a frame, and in which life, is proved by the transport. Incarnations grow from
// life to life. Links fail independently of each other.
//
// # Limitations
//
// No detector over a network can be both sure and quick: silence for longer than the
// patience is a suspicion, whether its cause is a crash, a cut or a pause of the peer. A cut that heals
// counts as a mistake too. A link cut one way is a suspicion at its deaf end only; LinkHears
// tells the other end. A process that sends heartbeats and does nothing else is trusted.
//
// What loss costs, with a heartbeat of s/5 on one link and frames lost by chance: TestRates prints it. In
// 30 hours each there was no wrong suspicion at 0, 1 and 5 %, and 1.4 an hour at 20 %, where what is
// remembered makes a suspicion take 1.3 of s in the median (0.9, at 0 to 5 %), and at most 1.84 of it.
//
// # Cost
//
// n members with l links between any two send n(n-1)·l heartbeats every h, or up to a tenth
// more because intervals are varied by chance, each of 32 bytes as a frame (20, and the
// frame's header of 12), to which the envelope, UDP and IP add. Five members with two links
// and h = 100 ms send 400 frames, 12,800 bytes a second in all. A new life is answered by one
// more. Memory is one entry a peer of 1 KiB. A step allocates nothing.
package detect

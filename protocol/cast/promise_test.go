package cast

import (
	"fmt"
	"testing"
)

// TestLossyNetworks has members multicast over networks that lose, double and reorder. All
// of it arrives, once and in order, and the frames that takes are bounded: what is lost
// costs little more than sending it again.
func TestLossyNetworks(t *testing.T) {
	for _, n := range []int{2, 3, 9} {
		for _, loss := range []float64{0, 0.01, 0.05, 0.20} {
			for _, disorder := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d members, loss %v, disorder %v", n, loss, disorder), func(t *testing.T) {
					net, err := judgeLoss(n, uint64(n)*1000+uint64(loss*100), loss, disorder)
					if err != nil {
						t.Fatal(err)
					}
					packets, c := 0, Counts{}
					for _, p := range net.nodes {
						each := p.m.Stats().Counts
						packets += int(each.Packets) * (n - 1)
						c.Repeats += each.Repeats
						c.Nacks += each.Nacks
						c.Acks += each.Acks
					}
					overhead := float64(net.carried) / float64(packets)
					t.Logf("%v: %d packets to deliver, %d frames carried (%.2f a packet), %d repeats, %d nacks, %d acks; window %d",
						net.now.Sub(net.start), packets, net.carried, overhead, c.Repeats, c.Nacks, c.Acks, net.nodes[0].m.window.size)
					most := 1.15 + 0.05*float64(n-2) + 2.5*loss // with acknowledgements, which grow with the members
					if disorder {
						most += 0.6
					}
					if overhead > most {
						t.Errorf("%.2f frames were carried for a packet; %.2f are enough", overhead, most)
					}
				})
			}
		}
	}
}

func TestLostTail(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		if err := judgeTail(n); err != nil {
			t.Errorf("%d members: %v", n, err)
		}
	}
}

func TestAgreedIsHeld(t *testing.T) {
	for seed := range uint64(6) {
		for _, all := range []bool{false, true} {
			if err := judgeAgreement(seed, all); err != nil {
				t.Errorf("seed %d, all %v: %v", seed, all, err)
			}
		}
	}
}

func TestAMemberThatReleasesNothingStopsTheSenderAndIsNamed(t *testing.T) {
	if err := judgeFlow(); err != nil {
		t.Error(err)
	}
}

func TestViewChanges(t *testing.T) {
	for seed := range uint64(80) {
		if err := judgeChange(seed); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

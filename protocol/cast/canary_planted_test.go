//go:build canary

package cast

import "testing"

// TestCanary plants each bug in turn: a judge must find it.
func TestCanary(t *testing.T) {
	defer Plant(NoBug)
	for _, c := range []struct {
		name  string
		bug   Bug
		judge func() error
	}{
		{"lost tail", LostTail, func() error { return judgeTail(3) }},
		{"boastful ack", BoastfulAck, func() error { return judgeAgreement(0, false) }},
		{"boastful ack, seen by what is lost", BoastfulAck, anyLoss},
		{"hasty agreement", HastyAgreement, func() error { return judgeAgreement(1, false) }},
		{"deaf to Freeze", DeafToFreeze, anyChange},
		{"early twice", EarlyTwice, anyLoss},
		{"hasty release", HastyRelease, anyLoss},
		{"hasty release, seen by a view change", HastyRelease, anyChange},
		{"forgetful holding", ForgetfulHolding, anyChange},
		{"foreign view", ForeignView, anyChange},
		{"greedy window", GreedyWindow, judgeFlow},
	} {
		Plant(NoBug)
		if err := c.judge(); err != nil {
			t.Errorf("%s: the judge finds something though nothing is planted: %v", c.name, err)
		}
		Plant(c.bug)
		err := found(c.judge)
		if err == "" {
			t.Errorf("%s: not found", c.name)
		}
		t.Logf("%s: %s", c.name, err)
	}
}

// found is what a judge says, or a panic.
func found(judge func() error) (said string) {
	defer func() {
		if r := recover(); r != nil {
			said = "panic"
		}
	}()
	if err := judge(); err != nil {
		return err.Error()
	}
	return ""
}

func anyLoss() error {
	_, err := judgeLoss(3, 1, 0.05, true)
	return err
}

func anyChange() error {
	for seed := range uint64(40) {
		if err := judgeChange(seed); err != nil {
			return err
		}
	}
	return nil
}

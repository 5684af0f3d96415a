package cohort_test

import "testing"

func TestTheSurvivorsOfKillsGoOn(t *testing.T) {
	w := newWorld(t, shape{members: 5, transport: "udp", engine: "sequencer"}, 1)
	w.found()
	coordinator := w.seniors()[0]
	w.kill(coordinator)
	w.start(coordinator)
	two := w.seniors()[1:3]
	w.kill(two...)
	w.start(two...)
	w.calm()
}

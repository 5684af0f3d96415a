package demo

import "time"

// The bounds in time. Together they stay below half a minute on a machine whose two
// processors are busy; on an idle one all is over in half of that.
const (
	// startMax is how long two nodes may take to start, find each other and agree.
	startMax = 8 * time.Second

	// protectedMax is how long the standby may take to prove that it holds all flows.
	protectedMax = 8 * time.Second

	// settleMax is how long after a fault a flow that is still silent may be silent
	// before it counts as lost: TCP of the test bed tries again at least each second.
	settleMax = 5 * time.Second

	// triesMax is how often a fault waits for a moment in which all is well: on a machine
	// that stands still now and then, a standby may take over by itself.
	triesMax = 3

	// totalMax ends everything, whatever it waits for.
	totalMax = 55 * time.Second
)

// The lengths of what is measured.
const (
	// calmLength is the phase in which nothing happens.
	calmLength = 1200 * time.Millisecond

	// phaseLength is the least length of a phase with a fault: a request that began in
	// the silence gets through at its second SYN, a second later.
	phaseLength = 1500 * time.Millisecond

	// liveFactor stretches the phases where somebody looks: the eye is slower.
	liveFactor = 2

	// cutLead is how long before the SIGKILL of a power cut the cables go.
	cutLead = time.Millisecond

	// requestTimeout is how long a short request waits before it begins again. Longer
	// than the second after which the kernel repeats a SYN.
	requestTimeout = 2 * time.Second
)

// The samples for the pictures.
const (
	sampleFine   = 5 * time.Millisecond  // around a fault
	sampleCoarse = 20 * time.Millisecond // else

	plotBefore = 80 * time.Millisecond // of a fault's picture
	plotAfter  = 400 * time.Millisecond

	// samplesMax bounds the samples kept: all of a demonstration at the finest.
	samplesMax = int(totalMax / sampleFine)
)

// The bounds of what is shown and kept.
const (
	drawEvery = 200 * time.Millisecond
	eventsMax = 200 // of the timeline: ten times what a good one has
	errorsMax = 20  // lines of the nodes' logs at level error
	lastMax   = 5   // lines that a node wrote last, for when it ends
	lineMax   = 4 << 10
)

// ScreenColumns and ScreenRows are the size of the terminal that a live picture needs.
// Its last row and column stay free.
const (
	ScreenColumns = 80
	ScreenRows    = 24

	screenCols = ScreenColumns - 1
	screenRows = ScreenRows - 1
)

// The bounds of a configuration.
const (
	flowsMin   = 10
	flowsMax   = 10_000 // two processes' sockets, and one machine plays four
	fastMax    = 20
	fastShare  = 5 // one flow in so many is fast, up to fastMax
	socketMax  = 90
	probeEvery = time.Millisecond
)

package service

const (
	// stepsMax is how many steps the search for a linearization of one cell may take. A
	// hundred calls of eight clients take some thousand; all of them take about half a second
	// and 50 MB, which is what a test can spare.
	stepsMax = 1 << 18

	// guessesMax is how many calls on one cell that change it may have an unknown outcome.
	// The search tries each of them at each point at which it may explain an answer.
	guessesMax = 64

	// addsMax is how many of them may add rather than swap for the search to know the sums
	// that can be of use: 2 to the power of it for each answer.
	addsMax = 6
)

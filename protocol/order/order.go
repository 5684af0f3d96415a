package order

// Order is how a message is delivered relative to others: a set of the flags below. The
// zero Order is reliable delivery without order.
type Order uint8

// The flags. FIFO, Causal and neither, each with Total or not, are the six combinations;
// each of them with Uniform or not.
const (
	FIFO    Order           = 1 << iota // after what its sender multicast before, FIFO or stronger
	causal                              // see Causal
	Total                               // in the same place for everybody, among all total messages
	Uniform                             // to all that survive, if to anybody, even one that crashes
	Causal  = FIFO | causal             // after the causal messages that its sender had delivered or sent before
)

// Valid says whether the flags go together and are known.
func (o Order) Valid() bool { return o <= Causal|Total|Uniform && o&Causal != causal }

// Engine is how the total order is found.
type Engine uint8

// The engines. All members of a group use the same.
const (
	Sequencer Engine = iota // one member numbers messages; it moves to who sends most
	Lamport                 // stamps of logical clocks, and a word from everybody
	ISIS                    // priorities that all members propose; the greatest counts
)

// String gives the flags in words: "fifo", "causal total uniform", "unordered".
func (o Order) String() string {
	text := "unordered"
	switch {
	case !o.Valid():
		return "invalid"
	case o&Causal == Causal:
		text = "causal"
	case o&FIFO != 0:
		text = "fifo"
	}
	if o&Total != 0 && o&FIFO == 0 {
		text = "total"
	} else if o&Total != 0 {
		text += " total"
	}
	if o&Uniform != 0 {
		text += " uniform"
	}
	return text
}

// String gives the engine's name as the configuration has it.
func (e Engine) String() string {
	switch e {
	case Sequencer:
		return "sequencer"
	case Lamport:
		return "lamport"
	case ISIS:
		return "isis"
	}
	return "unknown engine"
}

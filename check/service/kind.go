package service

var kindNames = [...]string{
	Called: "called", Sent: "sent", Answered: "answered", Unexecuted: "unexecuted", Unknown: "unknown", Crashed: "crashed",
	Executed: "executed", Skipped: "skipped", Restored: "restored", Fell: "fell", Perished: "perished", Seated: "seated",
	Named: "named", Halted: "halted", Proven: "proven",
	Asked: "asked", Granted: "granted", Reasserted: "reasserted", Quit: "quit", Broken: "broken", Held: "held", Dropped: "dropped",
	Closed: "closed", Wanted: "wanted", Waived: "waived", Wrote: "wrote", Calmed: "calmed", Ended: "ended",
}

// String is the kind in a word.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown kind"
}

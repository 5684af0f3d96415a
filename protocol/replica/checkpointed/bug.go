package checkpointed

// Bug is a mistake that a build with the tag "canary" can be told to make, so that the
// judges are tested themselves: each must be found.
type Bug uint8

// The bugs.
const (
	NoBug        Bug = iota
	AnswersEarly     // an answer leaves before its record is saved
	IgnoresFence     // a refusal by the store is taken for a success
	SkipsLog         // the survivor resumes from the checkpoint, without the log since
	LoadsFirst       // the survivor loads before it has claimed the store
)

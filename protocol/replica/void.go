package replica

import "errors"

// ErrVoid is why a member does not give its state: it has diverged, or is ahead of what the
// others may ever have.
var ErrVoid = errors.New("replica: this member's state is not to be used; another's must be asked for")

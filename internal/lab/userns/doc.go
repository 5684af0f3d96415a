// Package userns lets an ordinary user make network namespaces, by running the program
// again in a user namespace of its own, where the user is root and nowhere else.
//
// A program asks [Needed] early in main and, if so, leaves the rest to [Run]:
//
//	if userns.Needed() {
//		code, err := userns.Run(os.Args[1:])
//		...
//		os.Exit(code)
//	}
//
// Where the kernel or its policy refuses, the error names the setting and the command
// that changes it.
//
// Source: user_namespaces(7), proc_sys_user(5), and the distributions' own switches:
// kernel.unprivileged_userns_clone (Debian) and
// kernel.apparmor_restrict_unprivileged_userns (Ubuntu since 23.10).
package userns

// OpError says what was refused. Err tells the remedy.
type OpError struct {
	Op  string
	Err error
}

// Error gives "make a user namespace: ...".
func (e *OpError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

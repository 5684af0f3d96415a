//go:build canary

package duo

// canary is the planted bug. It is a variable in the canary build only.
var canary = NoBug

// Plant plants a bug, for the tests that must find it.
func Plant(b Bug) { canary = b }

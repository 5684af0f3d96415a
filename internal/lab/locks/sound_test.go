//go:build !canary

package locks_test

// plant plants nothing: see canary_test.go.
func plant(string) {}

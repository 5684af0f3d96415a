//go:build !canary

package duo

// canary is the planted bug; a build without the tag has none.
const canary = NoBug

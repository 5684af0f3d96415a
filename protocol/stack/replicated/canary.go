//go:build !canary

package replicated

// canary is the planted bug; a build without the tag has none.
const canary = NoBug

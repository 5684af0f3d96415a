//go:build !canary

package fence

// canary is the planted bug; a build without the tag has none.
const canary = NoBug

// Package takeover decides which member holds the addresses.
package takeover

// Package order delivers the messages of a view in the orders that they ask for.
package order

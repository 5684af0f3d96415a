// Package pair replicates a service on two servers without views.
package pair

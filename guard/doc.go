// Package guard refuses, at a resource, whoever is not the owner of its lock any more.
package guard

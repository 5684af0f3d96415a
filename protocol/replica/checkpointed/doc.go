// Package checkpointed is two processes.
package checkpointed

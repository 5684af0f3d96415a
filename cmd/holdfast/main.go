// Command holdfast keeps stateful services alive: see `holdfast help`.
package main

import (
	"os"

	"github.com/holdfast-ha/holdfast/internal/command"
)

func main() {
	os.Exit(command.Main(os.Args[1:]))
}

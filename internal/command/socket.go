package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
)

// target says which node of this machine is meant.
type target struct {
	socket, file string
}

func (t *target) flags(c *cobra.Command) {
	c.Flags().StringVarP(&t.socket, "socket", "s", "", "the node's control `SOCKET` (default: the only one in "+config.SocketFolder+")")
	c.Flags().StringVarP(&t.file, "config", "c", "", "the node's configuration `FILE`, which names the socket")
}

// path finds the socket: as given, as the configuration has it, or the only one there
// is.
func (p *Program) path(t target) (string, error) {
	switch {
	case t.socket != "" && t.file != "":
		return "", wrongUse("-s and -c both name a node: give one of them")
	case t.socket != "":
		return t.socket, nil
	case t.file != "":
		f, err := p.load(t.file)
		if err != nil {
			return "", err
		}
		return f.Control.Socket, nil
	}
	found, err := filepath.Glob(filepath.Join(config.SocketFolder, "*.sock"))
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("%w: there is no socket in %s%s; start one with `holdfast run -c FILE`, or name its socket with -s", control.ErrUnreachable, config.SocketFolder, closed())
	}
	return "", wrongUse("several nodes run here: choose one with -s: %s", strings.Join(found, ", "))
}

// closed says that the folder of the sockets cannot be read by this user, in which case
// a node may run all the same.
func closed() string {
	if _, err := os.ReadDir(config.SocketFolder); errors.Is(err, fs.ErrPermission) {
		return " that this user may see"
	}
	return ""
}

// dial finds the node and connects to it.
func (p *Program) dial(t target) (*control.Client, error) {
	path, err := p.path(t)
	if err != nil {
		return nil, err
	}
	return control.Dial(path)
}

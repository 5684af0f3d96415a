package daemon

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/internal/key"
)

// reloadKeys reads the key file again at each SIGHUP, so that keys can be rotated
// without a restart. A file that cannot be read or is wrong changes nothing.
func (d *daemon) reloadKeys() (stop func()) {
	asked := make(chan os.Signal, 1)
	ended := make(chan struct{})
	signal.Notify(asked, syscall.SIGHUP)
	go func() {
		defer close(ended)
		for range asked {
			d.loop.Do(func(time.Time) { d.reload() })
		}
	}()
	return func() {
		signal.Stop(asked)
		close(asked)
		<-ended
	}
}

func (d *daemon) reload() {
	if d.file.Cluster.Insecure {
		d.log.Warn("asked to read the keys again, but insecure = true: there are none")
		return
	}
	ring, err := key.Load(d.file.Cluster.KeyFile)
	if err == nil {
		err = d.transport.SetKeys(ring)
	}
	if err != nil {
		d.log.Error("the keys were not read again; those in use stay", "error", err)
		return
	}
	d.log.Info("read the keys again", "keys", ring.Len(), "seals_with", ring.At(0).ID)
}

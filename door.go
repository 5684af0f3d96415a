package holdfast

import (
	"context"
	"net/http"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/internal/driver/admin"
	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// doorGrace is how long requests under way may take when the node is closed.
const doorGrace = 500 * time.Millisecond

// openDoor makes the socket at which `holdfast group` asks.
func (n *Node) openDoor() error {
	if n.cfg.Control == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/group", func(w http.ResponseWriter, r *http.Request) {
		s, err := n.census(r.Context())
		if err != nil {
			admin.Refuse(w, err)
			return
		}
		admin.Answer(w, s)
	})
	mux.HandleFunc("GET /v1/group/watch", admin.Watch(n.census, census.Same, "holdfast group members"))
	mux.HandleFunc("POST /v1/group/proceed", n.proceed)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		s, err := n.census(r.Context())
		if err != nil {
			admin.Refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", census.MetricsType)
		_ = census.WriteMetrics(w, &s) // a caller who has gone needs no answer
	})
	var err error
	n.door, err = admin.Listen(admin.Config{Socket: n.cfg.Control, Handler: mux, Logger: n.cfg.Logger})
	return err
}

// proceed passes a person's word on to a service of two servers.
func (n *Node) proceed(w http.ResponseWriter, r *http.Request) {
	var q census.Proceed
	_, cancel, uid, ok := admin.Change(w, r, &q)
	if !ok {
		return
	}
	defer cancel()
	if n.cfg.Logger != nil {
		n.cfg.Logger.Warn("somebody says that the other server is gone", "service", q.Group, "uid", uid)
	}
	if err := n.cohort.Proceed(q.Group); err != nil {
		admin.Refuse(w, &admin.Refusal{Reason: err.Error(), Action: "holdfast group members " + q.Group})
		return
	}
	admin.Answer(w, struct{}{})
}

func (n *Node) closeDoor() {
	if n.door == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), doorGrace)
	defer cancel()
	_ = n.door.Close(ctx) // who asks a node that is closed gets no answer
}

func (n *Node) census(context.Context) (census.Status, error) {
	s, ok := n.cohort.Status()
	if !ok {
		return s, &admin.Refusal{Reason: driver.ErrClosed.Error()}
	}
	return s, nil
}

// written gives the members' addresses by link, as they were written.
func (k *checked) written() map[view.ID][]string {
	all := make(map[view.ID][]string)
	for id, name := range k.names {
		if id > 0 {
			all[view.ID(id)] = k.Members[name]
		}
	}
	return all
}

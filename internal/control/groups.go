package control

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
)

// Groups asks for the groups of the process.
func (c *Client) Groups(ctx context.Context) (census.Status, error) {
	var s census.Status
	err := c.call(ctx, http.MethodGet, "/v1/group", nil, &s)
	return s, err
}

// Proceed says that the other of a group's two servers is gone, and that this one goes on alone.
func (c *Client) Proceed(ctx context.Context, group string) error {
	return c.call(ctx, http.MethodPost, "/v1/group/proceed", census.Proceed{Group: group}, &struct{}{})
}

// WatchGroups calls fn with the groups now and after every change, as Watch does with the
// status.
func (c *Client) WatchGroups(ctx context.Context, fn func(census.Status) error) error {
	return c.watch(ctx, "/v1/group/watch", func(text []byte) error {
		var s census.Status
		if err := json.Unmarshal(text, &s); err != nil {
			return &OpError{Op: "read the watch", Err: err}
		}
		return fn(s)
	})
}

package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Client asks a node through its socket. It is safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// Dial finds out that a node answers at the socket. Errors of it and of every method
// are *OpError; they wrap ErrUnreachable, ErrForbidden or a *Refusal where one is the
// cause.
func Dial(socket string) (*Client, error) {
	dialer := net.Dialer{Timeout: dialWait}
	conn, err := dialer.Dial("unix", socket)
	if err != nil {
		return nil, &OpError{Op: "ask the node at " + socket, Err: dialError(err)}
	}
	conn.Close()
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		MaxIdleConns: 1, IdleConnTimeout: time.Minute, DisableCompression: true,
	}}}, nil
}

// dialError tells the usual reasons apart, each with its remedy.
func dialError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no such socket; start one with: holdfast run -c FILE", ErrUnreachable)
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w: it has stopped without removing its socket; start it with: holdfast run -c FILE", ErrUnreachable)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: this user may not connect to the socket; use sudo, or join its group", ErrUnreachable)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// Close frees the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the node's status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var st Status
	err := c.call(ctx, http.MethodGet, "/v1/status", nil, &st)
	if err == nil && st.Schema != Schema {
		err = &OpError{Op: "ask for the status", Err: fmt.Errorf("the node speaks schema %d, this program %d: use programs of the same version", st.Schema, Schema)}
	}
	return st, err
}

// Version asks what program the node runs.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	err := c.call(ctx, http.MethodGet, "/v1/version", nil, &v)
	return v, err
}

// Switch asks the node to hand the addresses over to a peer; "" for the only one. It
// returns when that is done or refused.
func (c *Client) Switch(ctx context.Context, to string) (SwitchResult, error) {
	var r SwitchResult
	err := c.call(ctx, http.MethodPost, "/v1/switch", switchRequest{to}, &r)
	return r, err
}

// Resync asks the node to send a peer every state again; "" for the only one.
func (c *Client) Resync(ctx context.Context, peer string) error {
	return c.call(ctx, http.MethodPost, "/v1/resync", resyncRequest{peer}, &struct{}{})
}

// Metrics asks for the metrics in Prometheus' text format.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	response, err := c.send(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return nil, &OpError{Op: "read the metrics", Err: err}
	}
	return text, nil
}

// Watch calls fn with the status now and after every change, until fn fails, ctx is
// done or the node goes. It returns fn's error, ctx's error, or an *OpError that wraps
// ErrUnreachable.
func (c *Client) Watch(ctx context.Context, fn func(Status) error) error {
	return c.watch(ctx, "/v1/watch", func(text []byte) error {
		var st Status
		if err := json.Unmarshal(text, &st); err != nil {
			return &OpError{Op: "read the watch", Err: err}
		}
		return fn(st)
	})
}

// watch reads server-sent events and gives the data of each that is a status.
func (c *Client) watch(ctx context.Context, path string, fn func(text []byte) error) error {
	response, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, answerMax)
	kind := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case field == "event":
			kind = value
		case field == "data" && kind == "status":
			if err := fn([]byte(value)); err != nil {
				return err
			}
		case field == "data" && kind == "problem":
			var p problem
			if err := json.Unmarshal([]byte(value), &p); err != nil {
				return &OpError{Op: "read the watch", Err: err}
			}
			return &OpError{Op: "watch the node", Err: errors.New(p.Error)}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := lines.Err(); err != nil {
		return &OpError{Op: "watch the node", Err: fmt.Errorf("%w: %w", ErrUnreachable, err)}
	}
	return &OpError{Op: "watch the node", Err: fmt.Errorf("%w any more: it has stopped", ErrUnreachable)}
}

// send makes a request and turns every answer that is not 200 into an error.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	op := "ask the node at " + c.socket
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, &OpError{Op: op, Err: err}
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://node"+path, content)
	if err != nil {
		return nil, &OpError{Op: op, Err: err}
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, &OpError{Op: op, Err: ctx.Err()}
		}
		return nil, &OpError{Op: op, Err: dialError(err)}
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	return nil, &OpError{Op: op, Err: answerError(response)}
}

func answerError(response *http.Response) error {
	var p problem
	text, _ := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if response.StatusCode == http.StatusNotFound {
		return ErrOther
	}
	if json.Unmarshal(text, &p) != nil || p.Error == "" {
		return fmt.Errorf("it answers %s", response.Status)
	}
	switch response.StatusCode {
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusConflict:
		return &Refusal{Reason: p.Error, Action: p.Action}
	}
	return errors.New(p.Error)
}

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, answerMax)).Decode(into); err != nil {
		return &OpError{Op: "read the answer of the node at " + c.socket, Err: err}
	}
	return nil
}

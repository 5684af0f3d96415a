package command

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/holdfast-ha/holdfast/internal/config"
)

// wire fills in what the program stands on.
func (p *Program) wire() {
	missing := errors.New("not built into this program")
	p.Run = func(context.Context, *config.File, *slog.Logger) error { return missing }
	p.Demo = func(context.Context, DemoOptions, io.Writer) error { return missing }
}

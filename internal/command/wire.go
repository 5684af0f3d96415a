package command

import (
	"context"
	"log/slog"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/daemon"
)

// wire fills in what the program stands on.
func (p *Program) wire() {
	p.Run = func(ctx context.Context, f *config.File, logger *slog.Logger) error {
		return daemon.Run(ctx, f, thisVersion(), logger)
	}
	p.Demo = playDemo
}

package command

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/holdfast-ha/holdfast/internal/config"
)

// newLogger makes the logger that the configuration asks for.
func newLogger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // config admits known levels only
	}
	options := &slog.HandlerOptions{Level: level}
	terminal := isTerminal(w)
	switch {
	case l.Format == "text" && !terminal:
		return slog.New(slog.NewTextHandler(w, options))
	case l.Format == "json" || l.Format == "auto" && !terminal:
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level: level, TimeFormat: time.StampMilli, NoColor: !coloured(w),
	}))
}

// isTerminal says whether a person looks at w.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && f != nil && term.IsTerminal(int(f.Fd()))
}

// coloured says whether colours may be used: see https://no-color.org.
func coloured(w any) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

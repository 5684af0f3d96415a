package command

import (
	"context"

	"golang.org/x/sys/unix"
)

// pollEvery bounds how long the keyboard's goroutine outlives its context, in
// milliseconds.
const pollEvery = 100

// onQuit calls quit when q is pressed, and clears the screen. The returned function
// gives the terminal back as it was, after the goroutine has ended. It does nothing
// where no person sits at the input.
func (p *Program) onQuit(ctx context.Context, quit context.CancelCauseFunc) (restore func()) {
	_, _ = p.Output.Write([]byte("\x1b[2J"))
	if !isTerminal(p.Input) {
		return func() {}
	}
	fd := int(p.Input.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO // one key at a time, unseen; Ctrl-C goes on working
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(fd, unix.TCSETS, &keys) != nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if pressed(ctx, fd) {
			quit(errQuit)
		}
	}()
	return func() {
		stop()
		<-ended
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, before)
	}
}

// pressed waits for q, or for the end of the input or of ctx.
func pressed(ctx context.Context, fd int) bool {
	key := make([]byte, 1)
	for ctx.Err() == nil {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, pollEvery)
		if err != nil && err != unix.EINTR {
			return false
		}
		if ready <= 0 {
			continue
		}
		if n, err := unix.Read(fd, key); err != nil || n == 0 {
			return false
		}
		if key[0] == 'q' || key[0] == 'Q' {
			return true
		}
	}
	return false
}

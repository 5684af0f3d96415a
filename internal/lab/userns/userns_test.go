package userns

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-ha/holdfast/internal/lab/netns"
)

// role tells the test binary, run again by a test, what to be.
const role = "HOLDFAST_TEST_ROLE"

// nobody is an ordinary user's number on every Linux.
const nobody = 65534

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "user": // an ordinary user who wants a network namespace
		if !Needed() {
			os.Exit(90)
		}
		os.Setenv(role, "inside")
		code, err := Run(nil)
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(91)
		}
		os.Exit(code)
	case "inside":
		if Needed() {
			os.Exit(92)
		}
		n, err := netns.New("inside")
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(93)
		}
		n.Close()
		os.Exit(7)
	}
	os.Exit(m.Run())
}

// copyOfTest is the test binary where an ordinary user may execute it.
func copyOfTest(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, and CI must skip nothing")
		}
		t.Skip("needs root to become another user: run sudo -E go test ./internal/lab/...")
	}
	dir, err := os.MkdirTemp("/tmp", "userns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "test")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func asNobody(path string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(path)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), role+"=user")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

func TestOrdinaryUserGetsNamespaces(t *testing.T) {
	cmd, out := asNobody(copyOfTest(t))
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatalf("want the inner run's exit status 7, got %v: %s", err, out)
	}
}

// A user namespace has limits of its own, so the kernel can be made to refuse without
// touching the host's setting.
func TestRefusalNamesTheSetting(t *testing.T) {
	path := copyOfTest(t)
	// Root of a user namespace has every right inside, and so would not need Run:
	// without network namespaces the trial fails and Run is tried.
	shell := exec.Command("/bin/sh", "-c",
		`echo 0 > /proc/sys/user/max_user_namespaces && echo 0 > /proc/sys/user/max_net_namespaces && exec "$0"`, path)
	shell.Env = append(os.Environ(), role+"=user")
	var out bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &out
	shell.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
	}
	err := shell.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 91 {
		t.Fatalf("want a refusal, got %v: %s", err, out.String())
	}
	for _, want := range []string{"make a user namespace", "user.max_user_namespaces", "sudo"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the message lacks %q: %s", want, out.String())
		}
	}
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		err              error
		want             string
	}{
		{"debian", "sys/kernel/unprivileged_userns_clone", "0\n", syscall.EPERM, "kernel.unprivileged_userns_clone=1"},
		{"ubuntu", "sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", syscall.EPERM, "kernel.apparmor_restrict_unprivileged_userns=0"},
		{"none allowed", "sys/user/max_user_namespaces", "0\n", syscall.ENOSPC, "user.max_user_namespaces=10000"},
		{"full", "sys/user/max_user_namespaces", "5\n", syscall.ENOSPC, "too many namespaces"},
		{"not built", "sys/user/max_user_namespaces", "5\n", syscall.EINVAL, "CONFIG_USER_NS"},
		{"container", "sys/user/max_user_namespaces", "5\n", syscall.EPERM, "--privileged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			proc := t.TempDir()
			file := filepath.Join(proc, c.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			err := explain(c.err, proc)
			if !errors.Is(err, c.err) {
				t.Errorf("the kernel's error %v is not inside %v", c.err, err)
			}
			if !strings.Contains(errorText(err), c.want) {
				t.Errorf("the message lacks %q: %v", c.want, err)
			}
		})
	}
}

func errorText(err error) string { return err.Error() }

package lab_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/internal/lab/userns"
)

// role tells the test binary, run again by a test, what to be.
const role = "HOLDFAST_TEST_ROLE"

// nobody is an ordinary user's number on every Linux.
const nobody = 65534

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "user": // an ordinary user who wants a test bed
		if !userns.Needed() {
			fail(fmt.Errorf("user %d may make network namespaces without more ado", os.Getuid()))
		}
		os.Setenv(role, "inside")
		code, err := userns.Run(nil)
		if err != nil {
			fail(err)
		}
		os.Exit(code)
	case "inside":
		if err := buildAndCross(); err != nil {
			fail(err)
		}
		os.Exit(0)
	case "owner": // of a test bed, to be killed
		l, err := lab.Open(lab.Config{})
		if err != nil {
			fail(err)
		}
		c := l.Node(lab.FW1).Command("sleep", "600")
		c.Stdout = os.Stdout
		if err := c.Start(); err != nil {
			fail(err)
		}
		fmt.Println("running")
		select {}
	}
	os.Exit(m.Run())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// buildAndCross builds a test bed and sends one datagram through its first firewall.
func buildAndCross() error {
	l, err := lab.Open(lab.Config{})
	if err != nil {
		return err
	}
	defer l.Close()
	for _, v := range virtual {
		if err := l.Node(lab.FW1).AddAddress(v.name, v.address); err != nil {
			return err
		}
	}
	var server, client net.PacketConn
	err = l.Node(lab.Server).Do(func() (err error) {
		server, err = net.ListenPacket("udp4", ":9")
		return err
	})
	if err != nil {
		return err
	}
	defer server.Close()
	err = l.Node(lab.Client).Do(func() (err error) {
		client, err = net.ListenPacket("udp4", ":0")
		return err
	})
	if err != nil {
		return err
	}
	defer client.Close()
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip(lab.Server4), 9))
	if _, err := client.WriteTo([]byte("hello"), to); err != nil {
		return err
	}
	server.SetReadDeadline(time.Now().Add(patience))
	_, from, err := server.ReadFrom(make([]byte, 16))
	if err != nil {
		return err
	}
	if got, want := from.(*net.UDPAddr).AddrPort().Addr().Unmap(), ip(lab.VirtualWAN4); got != want {
		return fmt.Errorf("the server sees %v, not %v", got, want)
	}
	out, err := l.Node(lab.FW1).Command("id", "-u").CombinedOutput()
	if err != nil {
		return fmt.Errorf("id on fw1: %w: %s", err, out)
	}
	if err := l.Lose(lab.FW1, lab.Sync, 50); err != nil {
		return err
	}
	return l.PowerOff(lab.FW1)
}

func TestOrdinaryUserBuildsTheTestBed(t *testing.T) {
	needRoot(t) // to become another user
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir, whose parents are for root's eyes only.
	dir, err := os.MkdirTemp("/tmp", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "test")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), role+"=user")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// What runs on a node holds the writing end of a pipe; when its owner is killed the
// reading end must come to the end of the file, and soon.
func TestKilledOwnerLeavesNothing(t *testing.T) {
	needRoot(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), role+"=owner")
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = write, &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	read.SetReadDeadline(time.Now().Add(patience))
	ready := make([]byte, len("running\n"))
	if _, err := io.ReadFull(read, ready); err != nil {
		t.Errorf("the owner did not start: %v: %s", err, complaint.String())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if _, err := io.ReadAll(read); err != nil {
		t.Errorf("the owner is dead and its child is not: %v", err)
	}
}

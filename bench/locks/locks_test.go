package locks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/config"
)

func some(detection time.Duration) *member {
	return &member{
		Program: &Program{sources: &Sources{folder: "/bench"}}, number: 2, detection: detection, folder: "/bench/n2",
		addresses: []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"},
	}
}

func TestOurConfigurationIsRight(t *testing.T) {
	folder := t.TempDir()
	m := some(250 * time.Millisecond)
	m.sources.folder = folder
	if err := os.WriteFile(filepath.Join(folder, keyFile), []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "holdfast.hcl")
	m.Durability = Log
	if err := os.WriteFile(path, []byte(m.holdfastConfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Node != "n2" || len(f.Cluster.Members) != 3 || f.Cluster.SuspectAfter != 250*time.Millisecond || f.Groups[0].Locks == nil {
		t.Errorf("it says %+v", f)
	}
	if got := f.Groups[0].Locks.Data; got != "/bench/n2/"+dataFolder {
		t.Errorf("its data is in %s", got)
	}
	if f.Groups[0].Locks.Socket != "/bench/n2/"+socketFile || f.Control.Socket != "/bench/n2/"+controlFile {
		t.Errorf("its sockets are %s and %s", f.Groups[0].Locks.Socket, f.Control.Socket)
	}
}

func TestEtcdFlags(t *testing.T) {
	text := strings.Join(some(500*time.Millisecond).etcdFlags("/bench/data"), " ")
	for _, want := range []string{
		"--name n2", "--data-dir /bench/data", "n3=http://203.0.113.3:2380", "--listen-client-urls http://203.0.113.2:2379",
		"--election-timeout 500", "--heartbeat-interval 50",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if text := strings.Join(some(0).etcdFlags("/bench/data"), " "); strings.Contains(text, "election") {
		t.Errorf("the defaults are changed: %s", text)
	}
}

func TestEtcdVersion(t *testing.T) {
	if got := etcdVersion([]byte("etcd Version: 3.4.23\nGit SHA: none\n")); got != "3.4.23" {
		t.Errorf("it is %q", got)
	}
	if got := etcdVersion(nil); got != "of unknown version" {
		t.Errorf("nothing is %q", got)
	}
}

func TestLoadsAreTold(t *testing.T) {
	for l, want := range map[Load]string{
		{1, false, Leader}:    "1 contender",
		{16, false, Follower}: "16 contenders, a lock each, at another member",
		{16, true, Leader}:    "16 contenders, one lock",
	} {
		if l.String() != want {
			t.Errorf("%q, want %q", l, want)
		}
	}
}

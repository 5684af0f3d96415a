package group

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

const jgroupsLibrary = "/usr/share/java/jgroups.jar"

// jgroups is Debian's, version 2.12 of 2011, which is the only one it has: the figures say
// nothing of later ones. The stack is its sequencer.xml. Bundling waits up to 30 ms for
// more messages, so it is off where one message is waited for.
func jgroups() peer {
	bundled := func(mode string) func(*Cluster, *starting) error {
		return func(c *Cluster, s *starting) error {
			return s.member(c, "java", "-Xmx1g", "-Djava.net.preferIPv4Stack=true", "-Djgroups.bind_addr="+s.node.Address,
				"-cp", jgroupsLibrary+":"+s.sources.folder, "Member", fmt.Sprint(s.node.Number), mode, s.folder)
		}
	}
	return peer{
		name: "JGroups",
		needs: []need{
			{jgroupsLibrary, "libjgroups-java"}, {"java", "default-jdk-headless"}, {"javac", "default-jdk-headless"},
		},
		build: func(ctx context.Context, s *Sources) error {
			return compile(ctx, filepath.Join(s.root, "jgroups"), "javac", "-cp", jgroupsLibrary, "-d", s.folder, "Member.java")
		},
		version: func(ctx context.Context, s *Sources) string {
			return answer(ctx, "", "dpkg-query", "-W", "-f", "${Version}", "libjgroups-java") + " on Java " + answer(ctx, "", "javac", "-version")
		},
		settings: []Program{
			{
				Setting: "SEQUENCER over UDP, defaults", Uses: Throughput | View, Detection: 1500 * time.Millisecond,
				sequential: true, warm: 4 * time.Second, start: bundled("bundled"),
			},
			{
				Setting: "SEQUENCER over UDP, no bundling", Uses: Latency,
				sequential: true, warm: time.Second, start: bundled("single"),
			},
		},
	}
}

package tidy

import (
	"bytes"
	"errors"
	"fmt"
	"go/version"
	"os/exec"
	"slices"
	"strings"
)

// goNewest is the newest Go that a dependency may ask for: the one of our go.mod.
const goNewest = "go1.26"

// program is the package whose dependencies are committed and reviewed.
const program = "./cmd/holdfast"

// Dependencies lists every package of other modules that is linked into the program,
// with its module and version, one a line.
func Dependencies(root string) (string, error) {
	out, err := goList(root, "-deps", "-f", "{{if not .Standard}}{{with .Module}}{{if not .Main}}{{$.ImportPath}} {{.Path}} {{.Version}}{{end}}{{end}}{{end}}", program)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# What is linked into " + strings.TrimPrefix(program, "./") + ", beside the standard library and our own packages:\n")
	b.WriteString("# the module and its version, then its packages. After a change that is meant, write it anew with\n")
	b.WriteString("#     go test ./internal/tidy -run Dependencies -update\n")
	byModule := map[string][]string{}
	for line := range strings.Lines(out) {
		pkg, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		byModule[module] = append(byModule[module], pkg)
	}
	modules := make([]string, 0, len(byModule))
	for module := range byModule {
		modules = append(modules, module)
	}
	slices.Sort(modules)
	for _, module := range modules {
		fmt.Fprintf(&b, "\n%s\n", module)
		slices.Sort(byModule[module])
		for _, pkg := range byModule[module] {
			fmt.Fprintf(&b, "    %s\n", pkg)
		}
	}
	return b.String(), nil
}

// CheckDependencies returns a finding for every module that is used, in tests too,
// and asks for a newer Go than ours.
func CheckDependencies(root string) ([]Finding, error) {
	out, err := goList(root, "-deps", "-test", "-f", "{{with .Module}}{{.Path}} {{.Version}} go{{.GoVersion}}{{end}}", "./...")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	return newer(slices.Compact(lines)), nil
}

// newer judges lines of the form "path version go1.25.0".
func newer(lines []string) []Finding {
	var findings []Finding
	for _, line := range lines {
		at := strings.LastIndex(line, " go")
		if at < 0 {
			continue
		}
		directive := line[at+1:]
		if version.Compare(version.Lang(directive), goNewest) > 0 {
			findings = append(findings, Finding{"go.mod", 0, RuleDependency, fmt.Sprintf(
				"%s needs %s and this house is built with %s: choose its last version for our Go", line[:at], directive, goNewest)})
		}
	}
	return findings
}

// goList runs the Go tool without the network, and as if on the platform that releases are
// built for, so that the answer is the same everywhere.
func goList(root string, args ...string) (string, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), "GOPROXY=off", "GOWORK=off", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("go list: %s", bytes.TrimSpace(exit.Stderr))
	}
	return string(out), err
}

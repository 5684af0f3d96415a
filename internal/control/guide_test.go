package control

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestGuide holds that docs/guides/status.md tells of every field, metric and cause.
func TestGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/guides/status.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	for _, name := range fields(reflect.TypeFor[Status]()) {
		if !strings.Contains(guide, "`"+name+"`") {
			t.Errorf("docs/guides/status.md does not tell of the field %s", name)
		}
	}
	for _, m := range metrics() {
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		if row := "| `" + m.name + "` | " + labels + " | " + m.help + " |"; !strings.Contains(guide, row) {
			t.Errorf("docs/guides/status.md has no line %s", row)
		}
	}
	for _, see := range []string{seePeer, seeProof, seeLink, seeNobody, seeLocal} {
		file, anchor, _ := strings.Cut(see, "#")
		heading := "\n### " + strings.ToUpper(anchor[:1]) + anchor[1:] + "\n"
		if file != "docs/guides/status.md" || !strings.Contains(guide, heading) {
			t.Errorf("%s leads nowhere", see)
		}
	}
}

// fields gives the JSON names of a struct and of those in it.
func fields(kind reflect.Type) []string {
	for kind.Kind() == reflect.Slice || kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct || kind.PkgPath() == "time" {
		return nil
	}
	var names []string
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
		names = append(names, fields(kind.Field(i).Type)...)
	}
	return names
}

package pair

import "testing"

// statistics is what `conntrackd -s` of 1.4.7 writes.
const statistics = `cache internal:
current active connections:	        2000
connections created:		        2001	failed:	           0
connections updated:		       11998	failed:	           0

cache external:
current active connections:	         199
connections created:		         200	failed:	           3
connections updated:		        4807	failed:	           0
connections destroyed:		           1	failed:	           0

traffic processed:
                   0 Bytes                         0 Pckts
`

func TestFiguresAreFoundInTheStatistics(t *testing.T) {
	for _, c := range []struct {
		section, name string
		want          int
		ok            bool
	}{
		{"cache internal", "current active connections", 2000, true},
		{"cache internal", "connections updated", 11998, true},
		{"cache external", "current active connections", 199, true},
		{"cache external", "connections created", 200, true},
		{"cache external", "connections destroyed", 1, true},
		{"cache external", "connections lost", 0, false},
		{"cache of another kind", "connections created", 0, false},
		{"cache external", "traffic processed", 0, false}, // a line without a figure
	} {
		got, ok := figureIn(statistics, c.section, c.name)
		if got != c.want || ok != c.ok {
			t.Errorf("%s, %s: %d, %v; want %d, %v", c.section, c.name, got, ok, c.want, c.ok)
		}
	}
}

package check

import "fmt"

// handover: a planned handover loses no flow. What is open when the neighbours have
// learned the new place is in the successor's table, and what did not change meanwhile is
// there as it was.
type handover struct {
	survival
	open map[string]bool
}

// Handover judges the successor of an active that gave the addresses up willingly, with
// nothing else going wrong.
func Handover(nodes int) Judge {
	return &handover{
		survival: survival{name: ByHandover, pledged: make([]map[string]string, nodes)},
		open:     map[string]bool{},
	}
}

// Promise names the promise.
func (j *handover) Promise() string { return "handover" }

// Hear judges a successor.
func (j *handover) Hear(f *Fact) error {
	switch f.Kind {
	case Opened:
		j.open[string(f.Key)] = true
	case Closed:
		delete(j.open, string(f.Key))
	case Took:
		if f.Name == ByHandover {
			if err := j.whole(f); err != nil {
				return err
			}
		}
	}
	return j.survival.Hear(f)
}

// whole judges that every open flow is in the table.
func (j *handover) whole(f *Fact) error {
	has := make(map[string]bool, len(f.Objects))
	for _, o := range f.Objects {
		has[string(o.Key)] = true
	}
	for _, key := range sortedKeys(j.open) {
		if !has[key] {
			return fmt.Errorf("%v was handed the addresses and does not have the open flow %q", f.Node.ID, key)
		}
	}
	return nil
}

package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// questionsMax bounds how often a person is asked anything: links and addresses end
// with an empty answer.
const questionsMax = 64

// question is one question until it has a good answer.
type question struct {
	text      string
	otherwise string             // taken for an empty answer, where empty is not allowed
	empty     bool               // an empty answer ends a list
	check     func(string) error // says what is wrong with an answer; nil: anything goes
}

// interview asks on a terminal.
type interview struct {
	input  *bufio.Scanner
	output io.Writer
	asked  int
}

var errNoAnswer = errors.New("nothing was written: the questions were not answered")

func (i *interview) ask(q question) (string, error) {
	for {
		if i.asked++; i.asked > questionsMax {
			return "", errNoAnswer
		}
		prompt := q.text
		if q.otherwise != "" {
			prompt += " [" + q.otherwise + "]"
		}
		fmt.Fprint(i.output, prompt+": ")
		if !i.input.Scan() {
			fmt.Fprintln(i.output)
			return "", errNoAnswer
		}
		answer := strings.TrimSpace(i.input.Text())
		if answer == "" {
			answer = q.otherwise
		}
		if answer == "" && q.empty {
			return "", nil
		}
		if answer == "" {
			continue
		}
		if q.check != nil {
			if err := q.check(answer); err != nil {
				fmt.Fprintf(i.output, "  %v\n", err)
				continue
			}
		}
		return answer, nil
	}
}

// ask asks for what no flag said.
func (p *Program) ask(a *answers) error {
	i := &interview{input: bufio.NewScanner(p.Input), output: p.Output}
	if len(a.nodes) == 0 || len(a.links) == 0 || len(a.addresses) == 0 {
		fmt.Fprintln(p.Output, "A pair of firewalls with one state. Enter takes what is in [brackets].")
	}
	if len(a.nodes) == 0 {
		if err := i.askNodes(a); err != nil {
			return err
		}
	}
	if len(a.nodes) == 2 && len(a.links) == 0 {
		if err := i.askLinks(a); err != nil {
			return err
		}
	}
	if len(a.addresses) == 0 {
		return i.askAddresses(a)
	}
	return nil
}

func (i *interview) askNodes(a *answers) error {
	if a.cluster == "" {
		name, err := i.ask(question{text: "name of the pair", otherwise: "edge"})
		if err != nil {
			return err
		}
		a.cluster = name
	}
	for n, text := range []string{"name of the preferred node", "name of the other node"} {
		name, err := i.ask(question{text: text, otherwise: fmt.Sprintf("fw%d", n+1), check: func(s string) error {
			if n == 1 && s == a.nodes[0] {
				return fmt.Errorf("%s is the first node; the second needs another name", s)
			}
			return nil
		}})
		if err != nil {
			return err
		}
		a.nodes = append(a.nodes, name)
	}
	return nil
}

func (i *interview) askLinks(a *answers) error {
	fmt.Fprintln(i.output, "Links: networks on which the nodes hear each other; best two that share no switch.")
	for {
		q := question{text: "label of a link", otherwise: "sync"}
		if len(a.links) > 0 {
			q = question{text: "label of a further link (Enter: no more)", empty: true}
		}
		label, err := i.ask(q)
		if err != nil || label == "" {
			return err
		}
		first, err := i.ask(question{text: "  address of " + a.nodes[0] + " there", check: isAddress})
		if err != nil {
			return err
		}
		second, err := i.ask(question{text: "  address of " + a.nodes[1] + " there", check: isAddress})
		if err != nil {
			return err
		}
		a.links = append(a.links, label+"="+first+","+second)
	}
}

func (i *interview) askAddresses(a *answers) error {
	fmt.Fprintln(i.output, "Virtual addresses: what hosts use as their router; only the active node has them.")
	for {
		q := question{text: "virtual address with prefix length, as in 192.0.2.1/24", check: isPrefix}
		if len(a.addresses) > 0 {
			q.text, q.empty = "a further one (Enter: no more)", true
		}
		prefix, err := i.ask(q)
		if err != nil || prefix == "" {
			return err
		}
		device, err := i.ask(question{text: "  on interface", otherwise: fmt.Sprintf("eth%d", len(a.addresses))})
		if err != nil {
			return err
		}
		a.addresses = append(a.addresses, prefix+"@"+device)
	}
}

func isAddress(s string) error {
	if _, err := netip.ParseAddr(s); err != nil {
		return fmt.Errorf("%q is not an IP address, as 198.51.100.1 is", s)
	}
	return nil
}

func isPrefix(s string) error {
	if _, err := netip.ParsePrefix(s); err != nil {
		return fmt.Errorf("%q is not an address with prefix length, as 192.0.2.1/24 is", s)
	}
	return nil
}

package holdfast_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"sync"

	"github.com/holdfast-ha/holdfast"
)

// Three processes, here all in one program, receive the same messages in the same order.
func Example() {
	config := cluster("a", "b", "c") // the addresses of three members on this machine
	ctx := context.Background()
	var all sync.WaitGroup
	received := make([]string, 3)
	for i, name := range []string{"a", "b", "c"} {
		config.Name = name
		node, err := holdfast.Open(config)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		all.Go(func() {
			group, err := node.Join(ctx, holdfast.GroupConfig{Name: "greetings"})
			if err != nil {
				log.Fatal(err)
			}
			messages := 0
			for event, err := range group.Events(ctx) {
				if err != nil {
					log.Fatal(err)
				}
				switch event.Kind {
				case holdfast.Viewed:
					if len(event.View.Members) == 3 { // everybody is here
						if _, err := group.Multicast(ctx, []byte("hello from "+name), holdfast.Total); err != nil {
							log.Fatal(err)
						}
					}
				case holdfast.Message:
					received[i] += string(event.Payload) + "\n"
					messages++
				}
				if messages == 3 {
					return
				}
			}
		})
	}
	all.Wait()
	fmt.Println(len(received[0]) > 0, received[0] == received[1], received[1] == received[2])
	// Output: true true true
}

// Who joins later is given what the others have.
func ExampleGroupConfig() {
	config := cluster("a", "b", "c")
	ctx := context.Background()
	type phone map[string]string // the state: names and numbers
	member := func(name string) (*holdfast.Node, *holdfast.Group, phone) {
		config := config
		config.Name = name
		node, err := holdfast.Open(config)
		if err != nil {
			log.Fatal(err)
		}
		book := phone{}
		group, err := node.Join(ctx, holdfast.GroupConfig{
			Name:     "phone book",
			Snapshot: func(w io.Writer) error { return json.NewEncoder(w).Encode(book) },
			Restore:  func(r io.Reader) error { return json.NewDecoder(r).Decode(&book) },
		})
		if err != nil {
			log.Fatal(err)
		}
		return node, group, book
	}
	var ready, done sync.WaitGroup
	stop := make(chan struct{})
	for _, name := range []string{"a", "b"} {
		ready.Add(1)
		done.Go(func() {
			node, group, book := member(name)
			defer node.Close()
			if name == "a" {
				if _, err := group.Multicast(ctx, []byte("Ada"), holdfast.Total); err != nil {
					log.Fatal(err)
				}
			}
			go func() { // a closed node ends the events
				for event := range group.Events(ctx) {
					if event.Kind == holdfast.Message {
						book[string(event.Payload)] = "0171"
						ready.Done()
					}
				}
			}()
			<-stop
		})
	}
	ready.Wait()
	node, _, book := member("c")
	fmt.Println(book)
	node.Close()
	close(stop)
	done.Wait()
	// Output: map[Ada:0171]
}

// With Confirm a process knows that its message is there for good.
func ExampleGroup_Confirm() {
	config := cluster("a", "b", "c")
	ctx := context.Background()
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} { // two of three are a majority
		config.Name = name
		node, err := holdfast.Open(config)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		all.Go(func() {
			group, err := node.Join(ctx, holdfast.GroupConfig{Name: "orders"})
			if err != nil {
				log.Fatal(err)
			}
			if name == "a" {
				number, err := group.Confirm(ctx, []byte("7 pounds of nails"), holdfast.Total|holdfast.Uniform)
				fmt.Println(number, err)
			}
		})
	}
	all.Wait()
	// Output: 1 <nil>
}

// The order of a message is a set of flags.
func ExampleOrder() {
	fmt.Println(holdfast.Causal&holdfast.FIFO == holdfast.FIFO)
	// Output: true
}

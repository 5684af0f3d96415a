package replica

import (
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Client is where a request came from, as the stack numbers it; 0 is nobody.
type Client uint64

// Passer is whom a member's own letting pass of time comes from. It is given no answer.
const Passer Client = 1<<64 - 1

// Reply is what a client is answered; valid until the output is reset.
type Reply struct {
	To   Client
	Data []byte // an encoded session.Reply
}

// Answers are the replies of a step, and their memory, which is used again.
type Answers struct {
	Replies []Reply

	replies []byte
}

// Reset makes room for the next step.
func (o *Answers) Reset() { o.Replies, o.replies = o.Replies[:0], o.replies[:0] }

// Begin is the memory to append a reply to, for Answer.
func (o *Answers) Begin() []byte { return o.replies }

// Answer gives a client what was appended to Begin, and keeps the memory.
func (o *Answers) Answer(to Client, grown []byte) {
	from := len(o.replies)
	o.replies = grown
	if to != 0 && to != Passer {
		o.Replies = append(o.Replies, Reply{to, grown[from:len(grown):len(grown)]})
	}
}

// Refuse tells a client that its request is not put into the agreed order, and whom to ask.
func (o *Answers) Refuse(to Client, request []byte, s session.Status, server view.ID) {
	o.Answer(to, session.AppendRefusal(o.replies, request, s, server))
}

// Message is a multicast to the whole group, in the order of the sender and uniform; with
// Total in one order with those of others, too.
type Message struct {
	Data  []byte // valid until Output.Sent
	Total bool
}

// Verb is what a machine asks of its stack, or tells it.
type Verb uint8

// The verbs.
const (
	// Restart: this member's state is not to be used. It must go out of the view and come in
	// anew, with another's.
	Restart Verb = 1 + iota
	// Diverged: Members have diverged from the others at Index, and are restored.
	Diverged
	// Halted: the members differ at Index, and no more than half agree, or a store has it that command
	// Index made another state than it does now; or the state cannot be written or read: Err. Nothing is
	// executed any more.
	Halted

	// What the styles of two servers tell: Epoch is that in which it is so.

	Founded // there was no state anywhere, and the service begins with none
	Alone   // this member serves without the other, as of the command after Index
	Paired  // this member is one of two that are whole
	Stopped // the other is silent, and this member must not go on without it
	// Lost: this member was overruled and gives its state up: the commands from Index to Last are
	// lost, and those as of Answered were answered to clients; 0: none was.
	Lost
	Resumed  // this member serves, from what is in the store up to command Index
	Fenced   // the other has claimed the store: this member does not serve any more
	Resigned // the store fails, Err, or does not answer: the same
)

var verbNames = [...]string{
	"none", "restart", "diverged", "halted", "founded", "alone", "paired", "stopped", "lost", "resumed", "fenced", "resigned",
}

// String gives the verb in words.
func (v Verb) String() string {
	if int(v) < len(verbNames) {
		return verbNames[v]
	}
	return "unknown verb"
}

// Command is one thing that a machine asks of its stack, or tells it.
type Command struct {
	Verb    Verb
	Members []view.Member
	Index   uint64 // of the first command after which they differ
	Sure    bool   // it is that one; otherwise an earlier one
	Request []byte // the beginning of that command's request, if it is known

	Epoch          view.Epoch // of two servers
	Last, Answered uint64
	Err            error
}

// Output is what a step of a machine puts out. Its memory is used again.
type Output struct {
	Answers
	Multicast []Message
	Do        []Command
	Repeats   int // requests that were under way already: they are given no answer of their own

	messages []byte
}

// Reset makes room for the next step.
func (o *Output) Reset() {
	o.Answers.Reset()
	o.Do, o.Repeats = o.Do[:0], 0
	o.Sent()
}

// Back is what the back-th message from the last, from 1, has in it; nil if there are fewer.
func (o *Output) Back(back int) []byte {
	if back < 1 || back > len(o.Multicast) {
		return nil
	}
	return o.Multicast[len(o.Multicast)-back].Data
}

// Sent forgets the messages: they are sent.
func (o *Output) Sent() { o.Multicast, o.messages = o.Multicast[:0], o.messages[:0] }

// Message is the memory to append a message to, for Send.
func (o *Output) Message() []byte { return o.messages }

// Send multicasts what was appended to Message. It may be changed until the step ends.
func (o *Output) Send(grown []byte, total bool) {
	from := len(o.messages)
	o.messages = grown
	o.Multicast = append(o.Multicast, Message{grown[from:len(grown):len(grown)], total})
}

package reeve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Actor is who caused a call: ClientActor, PolicyActor or DaemonActor.
type Actor interface{ actor() }

// ClientActor is a client of the API, by its user id.
type ClientActor uint32

// PolicyActor is another policy, by its name.
type PolicyActor string

// DaemonActor is the daemon itself: autostart, recovery, crash handling.
type DaemonActor struct{}

func (ClientActor) actor() {}
func (PolicyActor) actor() {}
func (DaemonActor) actor() {}

// Context is the circumstances of one call.
type Context struct {
	// CallID identifies this call in the decision log; unique per daemon.
	CallID string
	// Time is when the verb began, milliseconds since the Unix epoch, UTC.
	Time uint64
	// Actor is on whose behalf the verb runs.
	Actor Actor
	// Config is the operator's configuration as JSON text; read it with ParseConfig.
	Config string
	// Attempt is 1 for the first call for this event; higher when a notify hook is tried again.
	Attempt uint32
}

// ParseConfig reads the operator's configuration into a struct that holds the defaults. A key that the struct does not have is an
// error that names it, as is a value of another type.
func (c Context) ParseConfig(into any) error {
	decoder := json.NewDecoder(bytes.NewReader([]byte(c.Config)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, more := decoder.Token(); more != io.EOF {
			err = fmt.Errorf("there is more after its object")
		}
	}
	if err != nil {
		return fmt.Errorf("the policy's configuration is not valid: %w", err)
	}
	return nil
}

// Code is a stable kind of host error, the same as those of the HTTP API. Match on it, never on the message.
type Code uint8

// The codes.
const (
	NotFound Code = iota
	AlreadyExists
	Denied
	Invalid
	WrongState
	Busy
	Unsupported
	Deadline
	Internal
)

// HostError is what the host answered to a call that failed.
type HostError struct {
	Code Code
	// Message is one sentence that names the subject.
	Message string
}

func (e *HostError) Error() string { return "the host answered: " + e.Message }

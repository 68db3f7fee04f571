package reeve

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

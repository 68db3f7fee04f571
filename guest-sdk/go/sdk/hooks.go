package reeve

// DomainChange is what happened to a domain.
type DomainChange uint8

// The changes.
const (
	DomainDefined DomainChange = iota
	DomainUndefined
	DomainStarted
	DomainSuspended
	DomainResumed
	DomainShutdownRequested
	DomainRebooted
	DomainStopped
	DomainReleased
	DomainCrashed
	DomainReconnected
	DomainDeviceAttached
	DomainDeviceDetached
	DomainChanged
)

// DomainEvent is one event of a domain's life.
type DomainEvent struct {
	// Seq is the position on the event bus; it grows.
	Seq    uint64
	UUID   string
	Name   string
	Change DomainChange
	// State is the one afterwards.
	State State
	// Reason is why it is in that state, e.g. booted.
	Reason string
}

// DaemonChange is what happened to the daemon.
type DaemonChange uint8

// The changes.
const (
	DaemonStarted DaemonChange = iota
	DaemonStopping
	DaemonReloaded
)

// Wake is why a tuner is asked.
type Wake uint8

// The reasons.
const (
	WakeInterval Wake = iota
	WakeDomainsChanged
)

// KSMSnapshot is what a KSM tuner decides on; all of one moment.
type KSMSnapshot struct {
	Memory HostMemory
	KSM    KSM
	// Committed is the sum of the maximum memory of all active domains that may be merged, bytes.
	Committed     uint64
	ActiveDomains uint32
	Wake          Wake
}

// Adjustment is one change of a KSM tuner: one of the types below.
type Adjustment interface{ adjustment() }

type (
	// SetRun is 0 stop, 1 run, 2 stop and unmerge all pages.
	SetRun uint8
	// SetPagesToScan is 1 to 1000000.
	SetPagesToScan uint64
	// SetSleepMillisecs is 1 to 10000.
	SetSleepMillisecs uint64
)

func (SetRun) adjustment()            {}
func (SetPagesToScan) adjustment()    {}
func (SetSleepMillisecs) adjustment() {}

// Occasion is why a task runs: Manual, Scheduled, DomainEvent or DaemonChange.
type Occasion interface{ occasion() }

// Manual says that somebody asked for the run, with these arguments.
type Manual []string

// Scheduled says that the schedule asked for it.
type Scheduled struct {
	// Due is when, milliseconds since the Unix epoch.
	Due uint64
	// CatchUp is true when the daemon was down at that moment.
	CatchUp bool
}

func (Manual) occasion()       {}
func (Scheduled) occasion()    {}
func (DomainEvent) occasion()  {}
func (DaemonChange) occasion() {}

// The functions that answer hooks.
type (
	// Guard answers domain-define, domain-prepare and domain-start.
	Guard func(ctx Context, domain *Domain) (Verdict, error)
	// StopGuard answers domain-stop; forced is true for destroy and reset.
	StopGuard func(ctx Context, domain *Domain, forced bool) (Verdict, error)
	// DeviceGuard answers device-attach and device-detach; device is the element's XML text.
	DeviceGuard func(ctx Context, domain *Domain, device string) (Verdict, error)
	// DomainNotify answers domain-events; calls for one domain come in order.
	DomainNotify func(ctx Context, event DomainEvent) error
	// DaemonNotify answers daemon-events.
	DaemonNotify func(ctx Context, change DaemonChange) error
	// MACProposal answers mac-allocate: an address for interface number index (from 0) that is not among taken; seed is random.
	MACProposal func(ctx Context, domain *Domain, index uint32, taken []string, seed uint64) (string, error)
	// KSMTuner answers ksm-tune; no adjustment changes nothing.
	KSMTuner func(ctx Context, now KSMSnapshot) ([]Adjustment, error)
	// Task answers task: one run, whose answer is a summary of one line.
	Task func(ctx Context, why Occasion) (string, error)
)

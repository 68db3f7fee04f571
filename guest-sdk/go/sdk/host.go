package reeve

// Summary is one row of a list of domains.
type Summary struct {
	UUID  string
	Name  string
	State State
	// Persistent is true when a definition is kept after it stops.
	Persistent bool
	// Autostart is true when the daemon starts it by itself.
	Autostart bool
}

// Commitment is what all active domains together may use.
type Commitment struct {
	// Active domains.
	Active uint32
	// Memory is the sum of their maximum memory, bytes.
	Memory uint64
	// VCPUs is the sum of their vCPUs.
	VCPUs uint32
}

// HostInfo is the machine.
type HostInfo struct {
	Hostname string
	// CPUs that are online.
	CPUs uint32
	// Memory, bytes.
	Memory    uint64
	NUMACells uint32
}

// HostMemory is the machine's memory at one moment, bytes.
type HostMemory struct {
	Total uint64
	Free  uint64
	// Available is what can be had without swapping.
	Available uint64
	// Cached is the page cache.
	Cached    uint64
	Buffers   uint64
	SwapTotal uint64
	SwapFree  uint64
}

// KSM is kernel samepage merging: settings and counters.
type KSM struct {
	// Run is 0 stopped, 1 running, 2 stopped and all pages unmerged.
	Run uint8
	// PagesToScan before ksmd sleeps.
	PagesToScan uint64
	// SleepMillisecs that ksmd sleeps between scans.
	SleepMillisecs uint64
	// MergeAcrossNodes is nil where the kernel has no such switch.
	MergeAcrossNodes *bool
	PagesShared      uint64
	PagesSharing     uint64
	PagesUnshared    uint64
	PagesVolatile    uint64
	FullScans        uint64
}

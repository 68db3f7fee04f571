//go:build !wasip1

package reeve

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"reeve/wit/types"
)

// FakeDomain is a domain as a test makes it. What is not said is zero, and nil where it is optional.
type FakeDomain struct {
	Name          string
	UUID          string
	State         State
	Title         *string
	Type          string
	Memory        uint64
	CurrentMemory uint64
	VCPUs         uint32
	CurrentVCPUs  uint32
	Mergeable     bool
	Kernel        *string
	Cmdline       *string
	Disks         []Disk
	Interfaces    []Interface
	Balloon       *Balloon
	RNGCount      uint32
	Metadata      *string
	XML           string
}

// NewFakeDomain is a domain to hand to a hook.
func NewFakeDomain(domain FakeDomain) *Domain { return &Domain{fakeConfig{&domain}} }

// FakeHost is what the host answers to a policy under test.
type FakeHost struct {
	Info      HostInfo
	Memory    HostMemory
	KSM       KSM
	Committed Commitment
	Domains   []FakeDomain
	Networks  []Network
	// Ports are what is plugged into the networks, by Network.
	Ports []Port
	// Leases are what the DHCP server of every network gave out.
	Leases []Lease
	// Counters are what passed every port.
	Counters PortCounters
	Pools    []Pool
	// Volumes are those of any pool.
	Volumes []Volume
	// MigratedDisks are those of the guest that moves.
	MigratedDisks []MigratedDisk

	Now       uint64
	Monotonic uint64
	// Failure, when it is not nil, is the error of every call that can fail.
	Failure *HostError
	// KV is the policy's store.
	KV map[string][]byte
	// Calls are those that would have changed something, one line each: start web-1.
	Calls []string
	// Logged are the lines the policy wrote: info: text.
	Logged []string
}

var fake = &FakeHost{}

// UseFakeHost makes host answer from now on.
func UseFakeHost(host *FakeHost) { fake = host }

func failed() error {
	if fake.Failure == nil {
		return nil
	}
	return fake.Failure
}

func changed(format string, arguments ...any) error {
	if fake.Failure != nil {
		return fake.Failure
	}
	fake.Calls = append(fake.Calls, fmt.Sprintf(format, arguments...))
	return nil
}

// ListDomains is all domains of the fake host.
func ListDomains() ([]Summary, error) {
	var list []Summary
	for _, domain := range fake.Domains {
		list = append(list, Summary{UUID: domain.UUID, Name: domain.Name, State: domain.State, Persistent: true})
	}
	return list, failed()
}

// GetDomain is one domain by name or UUID.
func GetDomain(name string) (*Domain, error) {
	for i := range fake.Domains {
		if domain := &fake.Domains[i]; fake.Failure == nil && (domain.Name == name || domain.UUID == name) {
			return &Domain{fakeConfig{domain}}, nil
		}
	}
	if fake.Failure != nil {
		return nil, fake.Failure
	}
	return nil, &HostError{NotFound, "there is no domain '" + name + "'"}
}

// CommittedBeside is the fake host's Committed, whatever is left out.
func CommittedBeside(except string) (Commitment, error) { return fake.Committed, failed() }

// StartDomain is remembered in Calls, as is all that changes something.
func StartDomain(name string) error { return changed("start %s", name) }

// ShutdownDomain is remembered in Calls.
func ShutdownDomain(name string) error { return changed("shutdown %s", name) }

// DestroyDomain is remembered in Calls.
func DestroyDomain(name string) error { return changed("destroy %s", name) }

// SuspendDomain is remembered in Calls.
func SuspendDomain(name string) error { return changed("suspend %s", name) }

// ResumeDomain is remembered in Calls.
func ResumeDomain(name string) error { return changed("resume %s", name) }

// SetDomainMemory is remembered in Calls.
func SetDomainMemory(name string, target uint64) error {
	return changed("set-memory %s %d", name, target)
}

// GetHostInfo is the fake host's Info.
func GetHostInfo() (HostInfo, error) { return fake.Info, failed() }

// GetHostMemory is the fake host's Memory.
func GetHostMemory() (HostMemory, error) { return fake.Memory, failed() }

// GetKSM is the fake host's KSM.
func GetKSM() (KSM, error) { return fake.KSM, failed() }

// KVGet is the value of a key; nil when it was never set.
func KVGet(key string) ([]byte, error) { return fake.KV[key], failed() }

// KVSet sets a value.
func KVSet(key string, value []byte) error {
	if fake.Failure != nil {
		return fake.Failure
	}
	if fake.KV == nil {
		fake.KV = map[string][]byte{}
	}
	fake.KV[key] = append([]byte{}, value...)
	return nil
}

// KVDelete removes a key; true when it was there.
func KVDelete(key string) (bool, error) {
	if fake.Failure != nil {
		return false, fake.Failure
	}
	_, existed := fake.KV[key]
	delete(fake.KV, key)
	return existed, nil
}

// KVKeys are the keys that begin with prefix, in byte order.
func KVKeys(prefix string) ([]string, error) {
	var keys []string
	for key := range fake.KV {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return keys, failed()
}

// Now is the fake host's clock.
func Now() uint64 { return fake.Now }

// Monotonic is the fake host's clock that never goes back.
func Monotonic() uint64 { return fake.Monotonic }

// Pause moves the fake host's clocks.
func Pause(milliseconds uint32) error {
	fake.Now += uint64(milliseconds)
	fake.Monotonic += uint64(milliseconds) * 1000000
	return failed()
}

func logLine(level uint8, message string) {
	line := [...]string{"debug", "info", "warn", "error"}[level] + ": " + message
	fake.Logged = append(fake.Logged, line)
	fmt.Fprintln(os.Stderr, line)
}

// fakeConfig answers what a domain of the host answers.
type fakeConfig struct{ domain *FakeDomain }

type domainConfig = fakeConfig

func optional[T any](option wit_types.Option[T]) *T {
	if value, some := option.Get(); some {
		return &value
	}
	return nil
}

func option[T any](pointer *T) wit_types.Option[T] {
	if pointer == nil {
		return wit_types.None[T]()
	}
	return wit_types.Some(*pointer)
}

func (c fakeConfig) Name() string                       { return c.domain.Name }
func (c fakeConfig) Uuid() string                       { return c.domain.UUID }
func (c fakeConfig) State() uint8                       { return uint8(c.domain.State) }
func (c fakeConfig) Title() wit_types.Option[string]    { return option(c.domain.Title) }
func (c fakeConfig) DomainType() string                 { return c.domain.Type }
func (c fakeConfig) Memory() uint64                     { return c.domain.Memory }
func (c fakeConfig) CurrentMemory() uint64              { return c.domain.CurrentMemory }
func (c fakeConfig) Vcpus() uint32                      { return c.domain.VCPUs }
func (c fakeConfig) CurrentVcpus() uint32               { return c.domain.CurrentVCPUs }
func (c fakeConfig) Mergeable() bool                    { return c.domain.Mergeable }
func (c fakeConfig) Kernel() wit_types.Option[string]   { return option(c.domain.Kernel) }
func (c fakeConfig) Cmdline() wit_types.Option[string]  { return option(c.domain.Cmdline) }
func (c fakeConfig) RngCount() uint32                   { return c.domain.RNGCount }
func (c fakeConfig) Metadata() wit_types.Option[string] { return option(c.domain.Metadata) }
func (c fakeConfig) Xml() string                        { return c.domain.XML }

func disks(config domainConfig) []Disk           { return config.domain.Disks }
func interfaces(config domainConfig) []Interface { return config.domain.Interfaces }
func balloon(config domainConfig) *Balloon       { return config.domain.Balloon }

package reeve

import (
	"reeve/bindings/reeve_clock_clock"
	"reeve/bindings/reeve_domain_domains"
	"reeve/bindings/reeve_kv_store"
	"reeve/bindings/reeve_log_log"
	"reeve/bindings/reeve_node_host"
	"reeve/bindings/reeve_node_ksm"
	"reeve/bindings/reeve_types_errors"
	"reeve/wit/types"
)

// answer is the value of a host call, or its error.
func answer[T any](result wit_types.Result[T, reeve_types_errors.Error]) (T, error) {
	if result.Tag() == wit_types.ResultErr {
		var none T
		err := result.Err()
		return none, &HostError{Code(err.Code), err.Message}
	}
	return result.Ok(), nil
}

// done is the error of a host call without a value.
func done(result wit_types.Result[wit_types.Unit, reeve_types_errors.Error]) error {
	_, err := answer(result)
	return err
}

// ListDomains is all domains the policy may read, ordered by name. Needs domain:read.
func ListDomains() ([]Summary, error) {
	rows, err := answer(reeve_domain_domains.List())
	list := make([]Summary, len(rows))
	for i, row := range rows {
		list[i] = Summary{row.Uuid, row.Name, State(row.State), row.Persistent, row.Autostart}
	}
	return list, err
}

// GetDomain is one domain by name or UUID. Needs domain:read.
func GetDomain(name string) (*Domain, error) {
	config, err := answer(reeve_domain_domains.Get(name))
	if err != nil {
		return nil, err
	}
	return &Domain{config}, nil
}

// CommittedBeside is the sums over all active domains but the one with the UUID except; none is left out when it is empty. Needs
// domain:read on every domain (name=*).
func CommittedBeside(except string) (Commitment, error) {
	option := wit_types.None[string]()
	if except != "" {
		option = wit_types.Some(except)
	}
	sums, err := answer(reeve_domain_domains.Committed(option))
	return Commitment{sums.Active, sums.Memory, sums.Vcpus}, err
}

// StartDomain starts a defined domain. Needs domain:start. Like all that changes something, it is for notify hooks, tuners and tasks.
func StartDomain(name string) error { return done(reeve_domain_domains.Start(name)) }

// ShutdownDomain asks the guest to shut down and does not wait for it. Needs domain:shutdown.
func ShutdownDomain(name string) error { return done(reeve_domain_domains.Shutdown(name)) }

// DestroyDomain stops it by force. Needs domain:destroy.
func DestroyDomain(name string) error { return done(reeve_domain_domains.Destroy(name)) }

// SuspendDomain stops its vCPUs. Needs domain:suspend.
func SuspendDomain(name string) error { return done(reeve_domain_domains.Suspend(name)) }

// ResumeDomain lets its vCPUs run again. Needs domain:suspend.
func ResumeDomain(name string) error { return done(reeve_domain_domains.Resume(name)) }

// SetDomainMemory sets the balloon target, bytes, clamped to the domain's maximum. Needs domain:configure.
func SetDomainMemory(name string, target uint64) error {
	return done(reeve_domain_domains.SetMemory(name, target))
}

// GetHostInfo is the machine. Needs node:read.
func GetHostInfo() (HostInfo, error) {
	info, err := answer(reeve_node_host.GetInfo())
	return HostInfo{info.Hostname, info.Cpus, info.Memory, info.NumaCells}, err
}

// GetHostMemory is the machine's memory now. Needs node:read.
func GetHostMemory() (HostMemory, error) {
	memory, err := answer(reeve_node_host.GetMemory())
	return hostMemory(memory), err
}

// GetKSM is samepage merging now. Needs node:read.
func GetKSM() (KSM, error) {
	ksm, err := answer(reeve_node_ksm.Get())
	return ksmState(ksm), err
}

func hostMemory(memory reeve_node_host.Memory) HostMemory {
	return HostMemory{
		Total:     memory.Total,
		Free:      memory.Free,
		Available: memory.Available,
		Cached:    memory.Cached,
		Buffers:   memory.Buffers,
		SwapTotal: memory.SwapTotal,
		SwapFree:  memory.SwapFree,
	}
}

func ksmState(ksm reeve_node_ksm.KsmState) KSM {
	return KSM{
		Run:              ksm.Run,
		PagesToScan:      ksm.PagesToScan,
		SleepMillisecs:   ksm.SleepMillisecs,
		MergeAcrossNodes: optional(ksm.MergeAcrossNodes),
		PagesShared:      ksm.PagesShared,
		PagesSharing:     ksm.PagesSharing,
		PagesUnshared:    ksm.PagesUnshared,
		PagesVolatile:    ksm.PagesVolatile,
		FullScans:        ksm.FullScans,
	}
}

// KVGet is the value of a key (1 to 256 bytes); nil when it was never set. Needs kv:use, as all of kv.
func KVGet(key string) ([]byte, error) {
	value, err := answer(reeve_kv_store.Get(key))
	if bytes, some := value.Get(); err == nil && some {
		return append([]byte{}, bytes...), nil
	}
	return nil, err
}

// KVSet sets a value. Over the quota it fails with Denied and nothing changes.
func KVSet(key string, value []byte) error { return done(reeve_kv_store.Set(key, value)) }

// KVDelete removes a key; true when it was there.
func KVDelete(key string) (bool, error) { return answer(reeve_kv_store.Delete(key)) }

// KVKeys are the keys that begin with prefix, in byte order, at most 1000.
func KVKeys(prefix string) ([]string, error) { return answer(reeve_kv_store.Keys(prefix)) }

// Now is milliseconds since the Unix epoch, UTC; recorded and replayed with the call. Package time knows no time here.
func Now() uint64 { return reeve_clock_clock.Now() }

// Monotonic is nanoseconds on a clock that never goes back.
func Monotonic() uint64 { return reeve_clock_clock.Monotonic() }

func logLine(level uint8, message string) { reeve_log_log.Write(level, message) }

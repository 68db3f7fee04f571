// Admission: a start is refused when it would overcommit the host beyond its limits (guide ch. 6).
package main

import (
	"math"

	"reeve"
)

const (
	mib = uint64(1) << 20
	gib = uint64(1) << 30
)

// limits is what the operator may set.
type limits struct {
	// MemoryOvercommit: committed guest memory may be so many times the memory the host can give.
	MemoryOvercommit float64 `json:"memory-overcommit"`
	// HostReserveMiB is memory kept for the host; none is an eighth of the memory, 4 GiB at most (guide 6.1).
	HostReserveMiB *uint64 `json:"host-reserve-mib"`
	// CountSwap says whether swap counts as memory the host can give.
	CountSwap bool `json:"count-swap"`
	// VCPUsPerCPU is vCPUs of all active domains per CPU of the host (guide 6.2: 10 at most).
	VCPUsPerCPU float64 `json:"vcpus-per-cpu"`
	// GuestWithinCPUs says whether one domain may not have more vCPUs than the host has CPUs (guide 6.2).
	GuestWithinCPUs bool `json:"guest-within-cpus"`
}

func init() { reeve.OnDomainPrepare(prepare) }

func main() {}

func prepare(ctx reeve.Context, domain *reeve.Domain) (reeve.Verdict, error) {
	limits := limits{MemoryOvercommit: 1.5, CountSwap: true, VCPUsPerCPU: 10, GuestWithinCPUs: true}
	if err := ctx.ParseConfig(&limits); err != nil {
		return reeve.Verdict{}, err
	}
	info, err := reeve.GetHostInfo()
	if err != nil {
		return reeve.Verdict{}, err
	}
	memory, err := reeve.GetHostMemory()
	if err != nil {
		return reeve.Verdict{}, err
	}
	others, err := reeve.CommittedBeside(domain.UUID())
	if err != nil {
		return reeve.Verdict{}, err
	}
	return check(limits, info, memory, others, domain.Memory(), domain.VCPUs()), nil
}

// check says whether a domain with this memory (bytes) and so many vCPUs may start beside the others.
func check(
	limits limits, info reeve.HostInfo, memory reeve.HostMemory, others reeve.Commitment, guest uint64, vcpus uint32,
) reeve.Verdict {
	if limits.GuestWithinCPUs && vcpus > info.CPUs {
		return reeve.Deny("it has %d vCPUs and the host only %d CPUs", vcpus, info.CPUs)
	}
	wanted := min(uint64(others.VCPUs)+uint64(vcpus), math.MaxUint32)
	allowed := whole(float64(info.CPUs)*limits.VCPUsPerCPU, math.MaxUint32)
	if wanted > allowed {
		return reeve.Deny("the active domains would have %d vCPUs and this host allows %d", wanted, allowed)
	}

	reserve := min(memory.Total/8, 4*gib)
	if limits.HostReserveMiB != nil {
		reserve = min(*limits.HostReserveMiB, math.MaxUint64/mib) * mib
	}
	canGive := memory.Total
	if limits.CountSwap {
		canGive = sum(canGive, memory.SwapTotal)
	}
	canGive -= min(canGive, reserve)
	wanted = sum(others.Memory, guest)
	allowed = whole(float64(canGive)*limits.MemoryOvercommit, math.MaxUint64)
	if wanted > allowed {
		return reeve.Deny(
			"the active domains would have %d MiB of memory and this host allows %d MiB", wanted/mib, allowed/mib,
		)
	}
	return reeve.Allow()
}

// sum stops at the largest number.
func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// whole is a number without its fraction, between 0 and most.
func whole(value float64, most uint64) uint64 {
	switch {
	case !(value > 0):
		return 0
	case value >= float64(most):
		return most
	}
	return uint64(value)
}

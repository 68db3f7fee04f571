// A guard to start from: it refuses domains with too little memory.
package main

import "reeve"

// config is what the operator may set; every key has a default, and a typo is an error.
type config struct {
	// MinMemoryMiB is the least memory of a domain, MiB.
	MinMemoryMiB uint64 `json:"min-memory-mib"`
}

func init() { reeve.OnDomainDefine(define) }

func main() {}

func define(ctx reeve.Context, domain *reeve.Domain) (reeve.Verdict, error) {
	config := config{MinMemoryMiB: 128}
	if err := ctx.ParseConfig(&config); err != nil {
		return reeve.Verdict{}, err
	}
	if mib := domain.Memory() >> 20; mib < config.MinMemoryMiB {
		return reeve.Deny("%d MiB of memory; at least %d MiB are needed", mib, config.MinMemoryMiB), nil
	}
	return reeve.Allow(), nil
}

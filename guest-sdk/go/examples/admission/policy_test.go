package main

import (
	"testing"

	"reeve"
)

func TestRules(t *testing.T) {
	const all = "the active domains would have 21505 MiB of memory and this host allows 21504 MiB"
	for _, each := range []struct {
		config string
		others reeve.Commitment
		swap   uint64
		memory uint64
		vcpus  uint32
		reason string
	}{
		{"{}", reeve.Commitment{}, 0, gib, 5, "it has 5 vCPUs and the host only 4 CPUs"},
		{`{"guest-within-cpus": false}`, reeve.Commitment{}, 0, gib, 5, ""},
		{"{}", reeve.Commitment{VCPUs: 38}, 0, gib, 2, ""},
		{"{}", reeve.Commitment{VCPUs: 38}, 0, gib, 3, "the active domains would have 41 vCPUs and this host allows 40"},
		// 16 GiB less a reserve of 2 GiB, times 1.5, is 21 GiB.
		{"{}", reeve.Commitment{Memory: 20 * gib}, 0, gib, 1, ""},
		{"{}", reeve.Commitment{Memory: 20 * gib}, 0, gib + mib, 1, all},
		{"{}", reeve.Commitment{Memory: 20 * gib}, 8 * gib, 8 * gib, 1, ""},
		{`{"count-swap": false}`, reeve.Commitment{Memory: 20 * gib}, 8 * gib, gib + mib, 1, all},
	} {
		reeve.UseFakeHost(&reeve.FakeHost{
			Info:      reeve.HostInfo{CPUs: 4},
			Memory:    reeve.HostMemory{Total: 16 * gib, SwapTotal: each.swap},
			Committed: each.others,
		})
		domain := reeve.NewFakeDomain(reeve.FakeDomain{Name: "web-1", Memory: each.memory, VCPUs: each.vcpus})
		verdict, err := prepare(reeve.Context{Config: each.config}, domain)
		if reason, _ := verdict.Reason(); err != nil || reason != each.reason {
			t.Errorf("%+v: '%s' (%v)", each, reason, err)
		}
	}
}

func TestAHostThatDoesNotAnswerIsAFailure(t *testing.T) {
	reeve.UseFakeHost(&reeve.FakeHost{Failure: &reeve.HostError{Code: reeve.Denied, Message: "no"}})
	_, err := prepare(reeve.Context{Config: "{}"}, reeve.NewFakeDomain(reeve.FakeDomain{}))
	if err == nil || err.Error() != "the host answered: no" {
		t.Errorf("%v", err)
	}
}

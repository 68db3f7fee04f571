package main

import (
	"testing"

	"reeve"
)

func TestSmallDomainsAreRefused(t *testing.T) {
	for _, each := range []struct {
		config string
		mib    uint64
		reason string
	}{
		{"{}", 512, ""},
		{"{}", 64, "64 MiB of memory; at least 128 MiB are needed"},
		{`{"min-memory-mib": 32}`, 64, ""},
	} {
		domain := reeve.NewFakeDomain(reeve.FakeDomain{Name: "web-1", Memory: each.mib << 20})
		verdict, err := define(reeve.Context{Config: each.config}, domain)
		if reason, _ := verdict.Reason(); err != nil || reason != each.reason {
			t.Errorf("%d MiB with %s: '%s' (%v), not '%s'", each.mib, each.config, reason, err, each.reason)
		}
	}
}

func TestATypoInTheConfigurationIsAFailure(t *testing.T) {
	domain := reeve.NewFakeDomain(reeve.FakeDomain{Name: "web-1"})
	if _, err := define(reeve.Context{Config: `{"min-memory": 32}`}, domain); err == nil {
		t.Error("an unknown key was taken")
	}
}

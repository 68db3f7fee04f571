package main

import (
	"testing"

	"reeve"
)

func pointer(text string) *string { return &text }

func disk(target string, hasCache, writable bool) reeve.Disk {
	disk := reeve.Disk{Target: target, Device: "cdrom", Source: pointer("/images/a")}
	if writable {
		disk.Device = "disk"
	}
	if hasCache {
		disk.Cache = pointer("writeback")
	}
	return disk
}

func ask(t *testing.T, config string, domain reeve.FakeDomain) reeve.Verdict {
	verdict, err := define(reeve.Context{Config: config}, reeve.NewFakeDomain(domain))
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func TestOnlyWhatIsLeftOpenIsFilledIn(t *testing.T) {
	open := reeve.FakeDomain{
		Name:     "test",
		Disks:    []reeve.Disk{disk("vda", false, true), disk("vdb", true, true), disk("sda", false, false)},
		RNGCount: 1,
	}
	edits := ask(t, "{}", open).Edits()
	if len(edits) != 2 || edits[0] != (reeve.SetDiskCache{Target: "vda", Cache: "none"}) ||
		edits[1] != reeve.AddDevice("<memballoon model='virtio'/>") {
		t.Errorf("%v", edits)
	}
	if edits := ask(t, `{"cache": "", "balloon": false}`, open).Edits(); len(edits) != 0 {
		t.Errorf("%v", edits)
	}
	complete := open
	complete.Disks, complete.Balloon = open.Disks[1:], &reeve.Balloon{Model: "none"}
	if edits := ask(t, "{}", complete).Edits(); len(edits) != 0 {
		t.Errorf("%v", edits)
	}
}

func TestNamesFollowTheHouse(t *testing.T) {
	config := `{"prefixes": ["web-", "db-"]}`
	if _, denied := ask(t, config, reeve.FakeDomain{Name: "web-1"}).Reason(); denied {
		t.Error("a name of the house is refused")
	}
	if reason, _ := ask(t, config, reeve.FakeDomain{Name: "test"}).Reason(); reason != "the name 'test' must begin with one of: web-, db-" {
		t.Error(reason)
	}
}

// Defaults and names: what a definition leaves open is filled in, and a name outside the house rules is refused.
package main

import (
	"strings"

	"reeve"
)

// house is what the operator may set.
type house struct {
	// Prefixes one of which names must begin with; none allows every name.
	Prefixes []string `json:"prefixes"`
	// Cache mode of a writable disk that does not say; empty leaves it open.
	Cache string `json:"cache"`
	// Balloon says whether a domain that does not say gets a memory balloon.
	Balloon bool `json:"balloon"`
	// RNG says whether a domain without one gets a random-number device.
	RNG bool `json:"rng"`
}

func init() { reeve.OnDomainDefine(define) }

func main() {}

func define(ctx reeve.Context, domain *reeve.Domain) (reeve.Verdict, error) {
	house := house{Cache: "none", Balloon: true, RNG: true}
	if err := ctx.ParseConfig(&house); err != nil {
		return reeve.Verdict{}, err
	}
	if name := domain.Name(); !house.allows(name) {
		return reeve.Deny("the name '%s' must begin with one of: %s", name, strings.Join(house.Prefixes, ", ")), nil
	}

	var edits []reeve.Edit
	for _, disk := range domain.Disks() {
		if isWritable(disk) && disk.Cache == nil && house.Cache != "" {
			edits = append(edits, reeve.SetDiskCache{Target: disk.Target, Cache: house.Cache})
		}
	}
	balloon, rngs := domain.Balloon(), domain.RNGCount()
	if house.Balloon && balloon == nil {
		edits = append(edits, reeve.AddDevice("<memballoon model='virtio'/>"))
	}
	if house.RNG && rngs == 0 {
		edits = append(edits, reeve.AddDevice("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"))
	}
	return reeve.Rewrite(edits...), nil
}

// allows is true when the house has no rule for names, or the name follows it.
func (h house) allows(name string) bool {
	for _, prefix := range h.Prefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return len(h.Prefixes) == 0
}

// isWritable is true when the guest may write to it, to a medium that is there.
func isWritable(disk reeve.Disk) bool {
	return disk.Device == "disk" && !disk.Readonly && disk.Source != nil
}

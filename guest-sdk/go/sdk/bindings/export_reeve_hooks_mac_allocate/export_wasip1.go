// Package export_reeve_hooks_mac_allocate is the export of the hook mac-allocate.
package export_reeve_hooks_mac_allocate

import (
	"reeve/internal/hooks"
)

// Propose is called by the host.
func Propose(ctx hooks.Context, domain hooks.Domain, index uint32, taken []string, seed uint64) hooks.Text {
	if hooks.MACAllocate == nil {
		return hooks.Missing[string]("mac-allocate", "OnMACAllocate")
	}
	return hooks.MACAllocate(ctx, domain, index, taken, seed)
}

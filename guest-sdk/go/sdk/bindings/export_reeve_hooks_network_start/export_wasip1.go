// Package export_reeve_hooks_network_start is the export of the hook network-start.
package export_reeve_hooks_network_start

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, network hooks.Network, xml string) hooks.Decision {
	if hooks.NetworkStart == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("network-start", "OnNetworkStart")
	}
	return hooks.NetworkStart(ctx, network, xml)
}

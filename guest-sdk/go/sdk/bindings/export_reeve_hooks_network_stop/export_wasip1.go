// Package export_reeve_hooks_network_stop is the export of the hook network-stop.
package export_reeve_hooks_network_stop

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, network hooks.Network) hooks.Decision {
	if hooks.NetworkStop == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("network-stop", "OnNetworkStop")
	}
	return hooks.NetworkStop(ctx, network)
}

//go:build network_events

// Package export_reeve_hooks_network_events is the export of the hook network-events.
package export_reeve_hooks_network_events

import (
	"reeve/bindings/reeve_hooks_network_events"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// Notify is called by the host.
func Notify(ctx hooks.Context, event reeve_hooks_network_events.NetworkEvent) hooks.Told {
	if hooks.NetworkEvents == nil {
		return hooks.Missing[wit_types.Unit]("network-events", "OnNetworkEvents")
	}
	return hooks.NetworkEvents(ctx, event)
}

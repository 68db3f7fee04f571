//go:build network_events

package reeve

import (
	"reeve/bindings/reeve_hooks_network_events"
	"reeve/internal/hooks"
)

// OnNetworkEvents answers the hook network-events: something happened to a network or to a packet filter. Only policies whose manifest
// names the hook have it.
func OnNetworkEvents(answer NetworkNotify) {
	hooks.NetworkEvents = func(ctx hooks.Context, event reeve_hooks_network_events.NetworkEvent) hooks.Told {
		return told(answer(context(ctx), NetworkEvent{event.Uuid, event.Name, NetworkChange(event.Change), event.Detail}))
	}
}

//go:build network_events

package hooks

import "reeve/bindings/reeve_hooks_network_events"

// NetworkEvents is the registered function.
var NetworkEvents func(Context, reeve_hooks_network_events.NetworkEvent) Told

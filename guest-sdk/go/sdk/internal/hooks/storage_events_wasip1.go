//go:build storage_events

package hooks

import "reeve/bindings/reeve_hooks_storage_events"

// StorageEvents is the registered function.
var StorageEvents func(Context, reeve_hooks_storage_events.StorageEvent) Told

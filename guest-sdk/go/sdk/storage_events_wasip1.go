//go:build storage_events

package reeve

import (
	"reeve/bindings/reeve_hooks_storage_events"
	"reeve/internal/hooks"
)

// OnStorageEvents answers the hook storage-events: something happened to a storage pool or its volumes. Only policies whose manifest
// names the hook have it.
func OnStorageEvents(answer StorageNotify) {
	hooks.StorageEvents = func(ctx hooks.Context, event reeve_hooks_storage_events.StorageEvent) hooks.Told {
		return told(answer(context(ctx), StorageEvent{event.Uuid, event.Name, StorageChange(event.Change), event.Detail}))
	}
}

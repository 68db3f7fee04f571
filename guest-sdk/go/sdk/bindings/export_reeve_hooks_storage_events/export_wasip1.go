//go:build storage_events

// Package export_reeve_hooks_storage_events is the export of the hook storage-events.
package export_reeve_hooks_storage_events

import (
	"reeve/bindings/reeve_hooks_storage_events"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// Notify is called by the host.
func Notify(ctx hooks.Context, event reeve_hooks_storage_events.StorageEvent) hooks.Told {
	if hooks.StorageEvents == nil {
		return hooks.Missing[wit_types.Unit]("storage-events", "OnStorageEvents")
	}
	return hooks.StorageEvents(ctx, event)
}

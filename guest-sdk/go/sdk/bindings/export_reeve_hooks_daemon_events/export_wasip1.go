//go:build daemon_events

// Package export_reeve_hooks_daemon_events is the export of the hook daemon-events.
package export_reeve_hooks_daemon_events

import (
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// Notify is called by the host.
func Notify(ctx hooks.Context, change hooks.DaemonChange) hooks.Told {
	if hooks.DaemonEvents == nil {
		return hooks.Missing[wit_types.Unit]("daemon-events", "OnDaemonEvents")
	}
	return hooks.DaemonEvents(ctx, change)
}

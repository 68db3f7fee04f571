//go:build domain_events

// Package export_reeve_hooks_domain_events is the export of the hook domain-events.
package export_reeve_hooks_domain_events

import (
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// Notify is called by the host.
func Notify(ctx hooks.Context, event hooks.DomainEvent) hooks.Told {
	if hooks.DomainEvents == nil {
		return hooks.Missing[wit_types.Unit]("domain-events", "OnDomainEvents")
	}
	return hooks.DomainEvents(ctx, event)
}

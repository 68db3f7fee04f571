//go:build domain_events || daemon_events || task

package hooks

import "reeve/bindings/reeve_events_events"

// Shapes of the contract about events.
type (
	DomainEvent  = reeve_events_events.DomainEvent
	DaemonChange = reeve_events_events.DaemonChange
)

// The registered functions.
var (
	DomainEvents func(Context, DomainEvent) Told
	DaemonEvents func(Context, DaemonChange) Told
)

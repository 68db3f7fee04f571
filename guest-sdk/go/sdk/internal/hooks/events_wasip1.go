//go:build domain_events || daemon_events || task

package hooks

import (
	"reeve/bindings/reeve_events_events"
	"reeve/bindings/reeve_types_policy"
	"reeve/wit/types"
)

// Shapes of the contract about events.
type (
	DomainEvent  = reeve_events_events.DomainEvent
	DaemonChange = reeve_events_events.DaemonChange
	Told         = wit_types.Result[wit_types.Unit, reeve_types_policy.Failure]
)

// The registered functions.
var (
	DomainEvents func(Context, DomainEvent) Told
	DaemonEvents func(Context, DaemonChange) Told
)

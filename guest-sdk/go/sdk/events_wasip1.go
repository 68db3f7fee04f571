//go:build domain_events || daemon_events || task

package reeve

import (
	"reeve/bindings/reeve_events_events"
	"reeve/internal/hooks"
)

// OnDomainEvents answers the hook domain-events: something happened to a domain.
func OnDomainEvents(answer DomainNotify) {
	hooks.DomainEvents = func(ctx hooks.Context, event hooks.DomainEvent) hooks.Told {
		return told(answer(context(ctx), domainEvent(event)))
	}
}

// OnDaemonEvents answers the hook daemon-events: the daemon started, stops or reloaded.
func OnDaemonEvents(answer DaemonNotify) {
	hooks.DaemonEvents = func(ctx hooks.Context, change hooks.DaemonChange) hooks.Told {
		return told(answer(context(ctx), DaemonChange(change)))
	}
}

func domainEvent(from reeve_events_events.DomainEvent) DomainEvent {
	return DomainEvent{from.Seq, from.Uuid, from.Name, DomainChange(from.Change), State(from.State), from.Reason}
}

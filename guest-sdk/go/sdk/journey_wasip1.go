//go:build migrate_out || migrate_in || migration_strategy

package reeve

import (
	"reeve/bindings/reeve_migration_journey"
	"reeve/internal/hooks"
)

// OnMigrateOut answers the hook migrate-out: a domain is about to move to another host; a rewrite changes the document that the
// destination gets. Only policies whose manifest names a hook of migrations have it.
func OnMigrateOut(answer MigrationGuard) { hooks.MigrateOut = migrationGuard(answer) }

// OnMigrateIn answers the hook migrate-in: a domain is about to come from another host; a rewrite changes the document that it runs by
// here. Only policies whose manifest names a hook of migrations have it.
func OnMigrateIn(answer MigrationGuard) { hooks.MigrateIn = migrationGuard(answer) }

func migrationGuard(answer MigrationGuard) func(hooks.Context, hooks.Domain, hooks.Journey) hooks.Decision {
	return func(ctx hooks.Context, config hooks.Domain, way hooks.Journey) hooks.Decision {
		defer config.Drop()
		return decision(answer(context(ctx), &Domain{config}, journey(way)))
	}
}

func journey(from reeve_migration_journey.Journey) Journey {
	return Journey{
		ID:          from.Id,
		Source:      Peer{from.Source.Name, from.Source.Version},
		Destination: Peer{from.Destination.Name, from.Destination.Version},
		SameMachine: from.SameMachine,
		Transport:   from.Transport,
		Unchecked:   from.Unchecked,
		Persistent:  from.Persistent,
	}
}

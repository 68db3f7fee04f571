//go:build migrate_out || migrate_in || migration_strategy

package reeve

import (
	"reeve/bindings/reeve_migration_disks"
	"reeve/bindings/reeve_migration_journey"
	"reeve/internal/hooks"
)

// OnMigrateOut answers the hook migrate-out: a domain is about to move to another host; a rewrite changes the document that the
// destination gets. Only policies whose manifest names a hook of migrations have it.
func OnMigrateOut(answer MigrationGuard) { hooks.MigrateOut = migrationGuard(answer) }

// OnMigrateIn answers the hook migrate-in: a domain is about to come from another host; a rewrite changes the document that it runs by
// here. Only policies whose manifest names a hook of migrations have it.
func OnMigrateIn(answer MigrationGuard) { hooks.MigrateIn = migrationGuard(answer) }

// MigratedDisks are the disks of the guest that a hook of migrations is asked about: of the document that the hook looks at, those of a
// strategy of the domain as it runs. None in hooks that are asked about no migration. Only policies whose manifest names a hook of
// migrations have it.
func MigratedDisks() []MigratedDisk { return each(reeve_migration_disks.List(), migratedDisk) }

func migratedDisk(from reeve_migration_disks.MigratedDisk) MigratedDisk {
	return MigratedDisk{
		Target:     from.Target,
		Device:     from.Device,
		Source:     from.Source,
		Path:       optional(from.Path),
		Pool:       optional(from.Pool),
		Volume:     optional(from.Volume),
		Format:     optional(from.Format),
		Capacity:   optional(from.Capacity),
		Allocation: optional(from.Allocation),
		FileSystem: optional(from.FileSystem),
		Readonly:   from.Readonly,
		Shareable:  from.Shareable,
		Cache:      CacheMode(from.Cache),
		Coherent:   from.Coherent,
		Way:        Way(from.Way),
		Backing:    optional(from.Backing),
	}
}

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

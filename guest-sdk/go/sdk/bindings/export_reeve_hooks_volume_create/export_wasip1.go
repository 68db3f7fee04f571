//go:build volume_create

// Package export_reeve_hooks_volume_create is the export of the hook volume-create.
package export_reeve_hooks_volume_create

import (
	"reeve/bindings/reeve_hooks_volume_create"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, pool hooks.Pool, plan reeve_hooks_volume_create.VolumePlan) hooks.VolumeDecision {
	if hooks.VolumeCreate == nil {
		return hooks.Missing[reeve_hooks_volume_create.VolumeVerdict]("volume-create", "OnVolumeCreate")
	}
	return hooks.VolumeCreate(ctx, pool, plan)
}

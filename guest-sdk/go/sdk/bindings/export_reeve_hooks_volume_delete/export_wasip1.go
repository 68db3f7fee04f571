// Package export_reeve_hooks_volume_delete is the export of the hook volume-delete.
package export_reeve_hooks_volume_delete

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, pool hooks.Pool, volume hooks.Volume) hooks.Decision {
	if hooks.VolumeDelete == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("volume-delete", "OnVolumeDelete")
	}
	return hooks.VolumeDelete(ctx, pool, volume)
}

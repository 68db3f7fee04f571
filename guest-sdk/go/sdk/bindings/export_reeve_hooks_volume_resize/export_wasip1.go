// Package export_reeve_hooks_volume_resize is the export of the hook volume-resize.
package export_reeve_hooks_volume_resize

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, pool hooks.Pool, volume hooks.Volume, capacity uint64) hooks.Decision {
	if hooks.VolumeResize == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("volume-resize", "OnVolumeResize")
	}
	return hooks.VolumeResize(ctx, pool, volume, capacity)
}

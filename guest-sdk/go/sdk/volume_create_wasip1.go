//go:build volume_create

package reeve

import (
	"reeve/bindings/reeve_hooks_volume_create"
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// OnVolumeCreate answers the hook volume-create: a volume is about to be made or copied; a rewrite changes its document. Only policies
// whose manifest names the hook have it.
func OnVolumeCreate(answer VolumeCreateGuard) {
	hooks.VolumeCreate = func(ctx hooks.Context, of hooks.Pool, plan reeve_hooks_volume_create.VolumePlan) hooks.VolumeDecision {
		verdict, err := answer(context(ctx), pool(of), volumePlan(plan))
		if err != nil {
			return wit_types.Err[reeve_hooks_volume_create.VolumeVerdict, reeve_types_policy.Failure](failure(err))
		}
		out := reeve_hooks_volume_create.MakeVolumeVerdictAllow()
		if verdict.denied {
			out = reeve_hooks_volume_create.MakeVolumeVerdictDeny(verdict.reason)
		} else if verdict.changes != nil {
			out = reeve_hooks_volume_create.MakeVolumeVerdictRewrite(reeve_hooks_volume_create.VolumeChanges{
				Name:       perhaps(verdict.changes.Name),
				Capacity:   perhaps(verdict.changes.Capacity),
				Allocation: perhaps(verdict.changes.Allocation),
			})
		}
		return wit_types.Ok[reeve_hooks_volume_create.VolumeVerdict, reeve_types_policy.Failure](out)
	}
}

func volumePlan(from reeve_hooks_volume_create.VolumePlan) VolumePlan {
	plan := VolumePlan{
		Name:       from.Name,
		Capacity:   optional(from.Capacity),
		Allocation: optional(from.Allocation),
		Format:     optional(from.Format),
		Backing:    optional(from.Backing),
		XML:        from.Xml,
	}
	if source, some := from.Source.Get(); some {
		of := volume(source)
		plan.Source = &of
	}
	return plan
}

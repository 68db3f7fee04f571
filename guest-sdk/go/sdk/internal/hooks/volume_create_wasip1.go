//go:build volume_create

package hooks

import (
	"reeve/bindings/reeve_hooks_volume_create"
	"reeve/bindings/reeve_types_policy"
	"reeve/wit/types"
)

// VolumeDecision is what the guard of a new volume answers.
type VolumeDecision = wit_types.Result[reeve_hooks_volume_create.VolumeVerdict, reeve_types_policy.Failure]

// VolumeCreate is the registered function.
var VolumeCreate func(Context, Pool, reeve_hooks_volume_create.VolumePlan) VolumeDecision

//go:build ksm_tune

package hooks

import (
	"reeve/bindings/reeve_tune_ksm_tune"
	"reeve/bindings/reeve_types_policy"
	"reeve/wit/types"
)

// Adjustments are what a KSM tuner answers.
type Adjustments = wit_types.Result[[]reeve_tune_ksm_tune.Adjustment, reeve_types_policy.Failure]

// KSMTune is the registered function.
var KSMTune func(Context, reeve_tune_ksm_tune.Snapshot) Adjustments

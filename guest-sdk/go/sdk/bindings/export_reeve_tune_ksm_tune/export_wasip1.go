//go:build ksm_tune

// Package export_reeve_tune_ksm_tune is the export of the hook ksm-tune.
package export_reeve_tune_ksm_tune

import (
	"reeve/bindings/reeve_tune_ksm_tune"
	"reeve/internal/hooks"
)

// Tick is called by the host.
func Tick(ctx hooks.Context, now reeve_tune_ksm_tune.Snapshot) hooks.Adjustments {
	if hooks.KSMTune == nil {
		return hooks.Missing[[]reeve_tune_ksm_tune.Adjustment]("ksm-tune", "OnKSMTune")
	}
	return hooks.KSMTune(ctx, now)
}

//go:build ksm_tune

package reeve

import (
	"reeve/bindings/reeve_tune_ksm_tune"
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// OnKSMTune answers the hook ksm-tune: samepage merging. Only policies whose manifest names the hook have it.
func OnKSMTune(answer KSMTuner) {
	hooks.KSMTune = func(ctx hooks.Context, now reeve_tune_ksm_tune.Snapshot) hooks.Adjustments {
		snapshot := KSMSnapshot{hostMemory(now.Memory), ksmState(now.Ksm), now.Committed, now.ActiveDomains, Wake(now.Wake)}
		answers, err := answer(context(ctx), snapshot)
		if err != nil {
			return wit_types.Err[[]reeve_tune_ksm_tune.Adjustment, reeve_types_policy.Failure](failure(err))
		}
		adjustments := make([]reeve_tune_ksm_tune.Adjustment, len(answers))
		for i, each := range answers {
			adjustments[i] = adjustment(each)
		}
		return wit_types.Ok[[]reeve_tune_ksm_tune.Adjustment, reeve_types_policy.Failure](adjustments)
	}
}

func adjustment(from Adjustment) reeve_tune_ksm_tune.Adjustment {
	switch adjustment := from.(type) {
	case SetRun:
		return reeve_tune_ksm_tune.MakeAdjustmentRun(uint8(adjustment))
	case SetPagesToScan:
		return reeve_tune_ksm_tune.MakeAdjustmentPagesToScan(uint64(adjustment))
	case SetSleepMillisecs:
		return reeve_tune_ksm_tune.MakeAdjustmentSleepMillisecs(uint64(adjustment))
	}
	panic("an adjustment is one of the types of this package")
}

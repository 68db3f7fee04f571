// Rounds of memory until the rest fits into the time that the guest may stand still: the same policy as scripts/migration-precopy.
package main

import (
	"fmt"

	"reeve"
)

// settings are what the operator may set.
type settings struct {
	// DowntimeMs are the milliseconds that a guest may stand still; nil is the operator's limit.
	DowntimeMs *uint64 `json:"downtime-ms"`
	// Compress says whether pages are compressed where both hosts can.
	Compress bool `json:"compress"`
	// GiveUpAfter are the rounds in a row without progress after which the guest stays; 0 is never.
	GiveUpAfter uint64 `json:"give-up-after"`
}

func init() { reeve.OnMigrationStrategy(reeve.Strategy{Plan: plan, NextStep: nextStep}) }

func main() {}

func plan(
	ctx reeve.Context, offered reeve.Capabilities, limits reeve.MigrationLimits, _ reeve.Journey,
) (reeve.MigrationPlan, error) {
	var settings settings
	if err := ctx.ParseConfig(&settings); err != nil {
		return reeve.MigrationPlan{}, err
	}
	downtime := limits.MaxDowntimeUs
	if wanted := settings.DowntimeMs; wanted != nil && *wanted < downtime/1000 {
		downtime = *wanted * 1000
	}
	return reeve.MigrationPlan{MaxDowntimeUs: downtime, Compress: settings.Compress && offered.Compression, Streams: 1}, nil
}

func nextStep(ctx reeve.Context, now reeve.Progress) (reeve.Step, error) {
	var settings settings
	if err := ctx.ParseConfig(&settings); err != nil {
		return nil, err
	}
	if len(now.Rounds) == 0 {
		return reeve.NextRound{}, nil
	}
	last := len(now.Rounds) - 1
	if now.Rounds[last].ExpectedDowntimeUs <= now.Rounds[last].MaxDowntimeUs {
		return reeve.StopAndCopy{}, nil
	}
	stalled := 0
	for stalled < last && !progressed(now.Rounds[last-stalled-1], now.Rounds[last-stalled]) {
		stalled++
	}
	if settings.GiveUpAfter > 0 && uint64(stalled) >= settings.GiveUpAfter {
		return reeve.Abort(fmt.Sprintf("%d rounds brought nothing: the guest writes as fast as it is sent", stalled)), nil
	}
	return reeve.NextRound{}, nil
}

// progressed is false for less than a tenth fewer pages.
func progressed(before, after reeve.Round) bool {
	return after.DirtyPages < before.DirtyPages-before.DirtyPages/10
}

package main

import (
	"testing"

	"reeve"
)

func TestItPlansWithinTheOperatorsLimit(t *testing.T) {
	for config, expected := range map[string]uint64{
		"{}":                                    300_000,
		`{"downtime-ms": 5000}`:                 300_000,
		`{"downtime-ms": 50, "compress": true}`: 50_000,
	} {
		plan, err := plan(reeve.Context{Config: config}, reeve.Capabilities{Streams: 1},
			reeve.MigrationLimits{MaxDowntimeUs: 300_000}, reeve.Journey{})
		if err != nil || plan != (reeve.MigrationPlan{MaxDowntimeUs: expected, Streams: 1}) {
			t.Errorf("%s: %v %v", config, plan, err)
		}
	}
}

func TestItEndsWhenTheRestFitsAndGivesUpWhenItNeverWill(t *testing.T) {
	after := func(config string, dirty ...uint64) reeve.Step {
		var rounds []reeve.Round
		for _, pages := range dirty {
			rounds = append(rounds, reeve.Round{DirtyPages: pages, ExpectedDowntimeUs: pages * 100, MaxDowntimeUs: 50_000})
		}
		step, err := nextStep(reeve.Context{Config: config}, reeve.Progress{Rounds: rounds})
		if err != nil {
			t.Fatal(err)
		}
		return step
	}
	next, stop := reeve.Step(reeve.NextRound{}), reeve.Step(reeve.StopAndCopy{})
	if after("{}") != next || after("{}", 501) != next || after("{}", 5000, 500) != stop {
		t.Error("it ends when the rest fits")
	}
	if after("{}", 5000, 5000, 5000) != next || after(`{"give-up-after": 3}`, 5000, 5000, 5000) != next {
		t.Error("it gives up too early")
	}
	if _, gaveUp := after(`{"give-up-after": 2}`, 5000, 5000, 5000).(reeve.Abort); !gaveUp {
		t.Error("it does not give up")
	}
}

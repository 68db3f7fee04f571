//go:build task

package reeve

import (
	"reeve/bindings/reeve_hooks_task"
	"reeve/internal/hooks"
)

// OnTask answers the hook task: one run. Only policies whose manifest names the hook have it.
func OnTask(answer Task) {
	hooks.Task = func(ctx hooks.Context, why reeve_hooks_task.Occasion) hooks.Text {
		return text(answer(context(ctx), occasion(why)))
	}
}

func occasion(from reeve_hooks_task.Occasion) Occasion {
	switch from.Tag() {
	case reeve_hooks_task.OccasionManual:
		return Manual(from.Manual())
	case reeve_hooks_task.OccasionSchedule:
		return Scheduled{from.Schedule().Due, from.Schedule().CatchUp}
	case reeve_hooks_task.OccasionDomain:
		return domainEvent(from.Domain())
	}
	return DaemonChange(from.Daemon())
}

//go:build task

// Package export_reeve_hooks_task is the export of the hook task.
package export_reeve_hooks_task

import (
	"reeve/bindings/reeve_hooks_task"
	"reeve/internal/hooks"
)

// Run is called by the host.
func Run(ctx hooks.Context, why reeve_hooks_task.Occasion) hooks.Text {
	if hooks.Task == nil {
		return hooks.Missing[string]("task", "OnTask")
	}
	return hooks.Task(ctx, why)
}

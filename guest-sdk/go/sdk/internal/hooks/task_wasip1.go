//go:build task

package hooks

import "reeve/bindings/reeve_hooks_task"

// Task is the registered function.
var Task func(Context, reeve_hooks_task.Occasion) Text

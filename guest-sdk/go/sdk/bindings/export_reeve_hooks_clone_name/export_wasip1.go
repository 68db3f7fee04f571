//go:build clone_name

// Package export_reeve_hooks_clone_name is the export of the hook clone-name.
package export_reeve_hooks_clone_name

import (
	"reeve/bindings/reeve_hooks_clone_name"
	"reeve/internal/hooks"
)

// Propose is called by the host.
func Propose(ctx hooks.Context, clone reeve_hooks_clone_name.CloneRequest) hooks.Text {
	if hooks.CloneName == nil {
		return hooks.Missing[string]("clone-name", "OnCloneName")
	}
	return hooks.CloneName(ctx, clone)
}

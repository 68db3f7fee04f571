//go:build filter_generate

// Package export_reeve_hooks_filter_generate is the export of the hook filter-generate.
package export_reeve_hooks_filter_generate

import (
	"reeve/bindings/reeve_filter_ruleset"
	"reeve/bindings/reeve_filter_tree"
	"reeve/internal/hooks"
)

// Propose is called by the host.
func Propose(ctx hooks.Context, on reeve_filter_tree.Subject, filters []reeve_filter_tree.Filter) hooks.Rules {
	if hooks.FilterGenerate == nil {
		return hooks.Missing[reeve_filter_ruleset.Rules]("filter-generate", "OnFilterGenerate")
	}
	return hooks.FilterGenerate(ctx, on, filters)
}

//go:build filter_generate

package hooks

import (
	"reeve/bindings/reeve_filter_ruleset"
	"reeve/bindings/reeve_filter_tree"
	"reeve/bindings/reeve_types_policy"
	"reeve/wit/types"
)

// Rules are what a filter policy answers.
type Rules = wit_types.Result[reeve_filter_ruleset.Rules, reeve_types_policy.Failure]

// FilterGenerate is the registered function.
var FilterGenerate func(Context, reeve_filter_tree.Subject, []reeve_filter_tree.Filter) Rules

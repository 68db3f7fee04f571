// Package export_reeve_hooks_pool_start is the export of the hook pool-start.
package export_reeve_hooks_pool_start

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, pool hooks.Pool, xml string) hooks.Decision {
	if hooks.PoolStart == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("pool-start", "OnPoolStart")
	}
	return hooks.PoolStart(ctx, pool, xml)
}

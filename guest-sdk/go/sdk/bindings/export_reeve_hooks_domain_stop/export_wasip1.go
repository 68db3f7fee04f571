// Package export_reeve_hooks_domain_stop is the export of the hook domain-stop.
package export_reeve_hooks_domain_stop

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain, forced bool) hooks.Decision {
	if hooks.DomainStop == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("domain-stop", "OnDomainStop")
	}
	return hooks.DomainStop(ctx, domain, forced)
}

// Package export_reeve_hooks_domain_prepare is the export of the hook domain-prepare.
package export_reeve_hooks_domain_prepare

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain) hooks.Decision {
	if hooks.DomainPrepare == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("domain-prepare", "OnDomainPrepare")
	}
	return hooks.DomainPrepare(ctx, domain)
}

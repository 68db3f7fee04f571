// Package export_reeve_hooks_domain_start is the export of the hook domain-start.
package export_reeve_hooks_domain_start

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain) hooks.Decision {
	if hooks.DomainStart == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("domain-start", "OnDomainStart")
	}
	return hooks.DomainStart(ctx, domain)
}

// Package export_reeve_hooks_domain_define is the export of the hook domain-define.
package export_reeve_hooks_domain_define

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain) hooks.Decision {
	if hooks.DomainDefine == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("domain-define", "OnDomainDefine")
	}
	return hooks.DomainDefine(ctx, domain)
}

// Package export_reeve_hooks_port_plug is the export of the hook port-plug.
package export_reeve_hooks_port_plug

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain, port hooks.Port) hooks.Decision {
	if hooks.PortPlug == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("port-plug", "OnPortPlug")
	}
	return hooks.PortPlug(ctx, domain, port)
}

// Package export_reeve_hooks_device_attach is the export of the hook device-attach.
package export_reeve_hooks_device_attach

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain, device string) hooks.Decision {
	if hooks.DeviceAttach == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("device-attach", "OnDeviceAttach")
	}
	return hooks.DeviceAttach(ctx, domain, device)
}

// Package export_reeve_hooks_device_detach is the export of the hook device-detach.
package export_reeve_hooks_device_detach

import (
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
)

// Guard is called by the host.
func Guard(ctx hooks.Context, domain hooks.Domain, device string) hooks.Decision {
	if hooks.DeviceDetach == nil {
		return hooks.Missing[reeve_types_policy.Verdict]("device-detach", "OnDeviceDetach")
	}
	return hooks.DeviceDetach(ctx, domain, device)
}

package reeve

import (
	"reeve/bindings/reeve_domain_config"
	"reeve/wit/types"
)

type domainConfig = *reeve_domain_config.DomainConfig

// optional is a pointer to the value of an option, or nil.
func optional[T any](option wit_types.Option[T]) *T {
	if value, some := option.Get(); some {
		return &value
	}
	return nil
}

func disks(config domainConfig) []Disk {
	from := config.Disks()
	disks := make([]Disk, len(from))
	for i, disk := range from {
		disks[i] = Disk{
			Target:    disk.Target,
			Device:    disk.Device,
			Source:    optional(disk.Source),
			Format:    optional(disk.Format),
			Cache:     optional(disk.Cache),
			Bus:       optional(disk.Bus),
			Readonly:  disk.Readonly,
			Shareable: disk.Shareable,
		}
	}
	return disks
}

func interfaces(config domainConfig) []Interface {
	from := config.Interfaces()
	interfaces := make([]Interface, len(from))
	for i, each := range from {
		source := make([]Attribute, len(each.Source))
		for j, attribute := range each.Source {
			source[j] = Attribute{attribute.F0, attribute.F1}
		}
		interfaces[i] = Interface{
			Kind:   each.Kind,
			Source: source,
			MAC:    optional(each.Mac),
			Target: optional(each.Target),
			Model:  optional(each.Model),
		}
	}
	return interfaces
}

func balloon(config domainConfig) *Balloon {
	if balloon, some := config.Balloon().Get(); some {
		return &Balloon{balloon.Model, optional(balloon.StatsPeriod)}
	}
	return nil
}

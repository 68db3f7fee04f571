package reeve

import (
	"reeve/bindings/reeve_network_networks"
	"reeve/internal/hooks"
)

// OnNetworkStart answers the hook network-start: a virtual network is about to start. Rewrites are refused.
func OnNetworkStart(answer NetworkStartGuard) {
	hooks.NetworkStart = func(ctx hooks.Context, of hooks.Network, xml string) hooks.Decision {
		return decision(answer(context(ctx), network(of), xml))
	}
}

// OnNetworkStop answers the hook network-stop: somebody asks to stop a virtual network. Rewrites are refused.
func OnNetworkStop(answer NetworkStopGuard) {
	hooks.NetworkStop = func(ctx hooks.Context, of hooks.Network) hooks.Decision {
		return decision(answer(context(ctx), network(of)))
	}
}

// OnPortPlug answers the hook port-plug: an interface of a domain is about to be plugged. Rewrites are refused.
func OnPortPlug(answer PortGuard) {
	hooks.PortPlug = func(ctx hooks.Context, config hooks.Domain, of hooks.Port) hooks.Decision {
		defer config.Drop()
		return decision(answer(context(ctx), &Domain{config}, port(of)))
	}
}

// ListNetworks is all networks by name. Needs network:read, as all that reads networks.
func ListNetworks() ([]Network, error) {
	from, err := answer(reeve_network_networks.List())
	return each(from, network), err
}

// GetNetwork is one network by name.
func GetNetwork(name string) (Network, error) {
	from, err := answer(reeve_network_networks.Get(name))
	return network(from), err
}

// NetworkPorts are the ports of one network.
func NetworkPorts(name string) ([]Port, error) {
	from, err := answer(reeve_network_networks.Ports(name))
	return each(from, port), err
}

// NetworkLeases are the leases of one network that have not expired.
func NetworkLeases(name string) ([]Lease, error) {
	from, err := answer(reeve_network_networks.Leases(name))
	return each(from, lease), err
}

// NetworkPortCounters are the counters of a port of one network, by its link.
func NetworkPortCounters(name, link string) (PortCounters, error) {
	from, err := answer(reeve_network_networks.PortCounters(name, link))
	return PortCounters{
		ReceivedBytes:   from.ReceivedBytes,
		ReceivedPackets: from.ReceivedPackets,
		ReceivedDropped: from.ReceivedDropped,
		SentBytes:       from.SentBytes,
		SentPackets:     from.SentPackets,
		SentDropped:     from.SentDropped,
	}, err
}

// each is a list with every item converted.
func each[From, To any](from []From, convert func(From) To) []To {
	to := make([]To, len(from))
	for i, item := range from {
		to[i] = convert(item)
	}
	return to
}

func network(from reeve_network_networks.Network) Network {
	return Network{
		UUID:        from.Uuid,
		Name:        from.Name,
		Mode:        NetworkMode(from.Mode),
		Active:      from.Active,
		Persistent:  from.Persistent,
		Autostart:   from.Autostart,
		Bridge:      optional(from.Bridge),
		Addresses:   from.Addresses,
		Connections: from.Connections,
	}
}

func port(from reeve_network_networks.Port) Port {
	return Port{
		Domain:    from.Domain,
		MAC:       from.Mac,
		Link:      from.Link,
		Network:   optional(from.Network),
		Filter:    optional(from.Filter),
		Addresses: from.Addresses,
	}
}

func lease(from reeve_network_networks.Lease) Lease {
	return Lease{optional(from.Mac), from.Ip, optional(from.Hostname), optional(from.Expires)}
}

//go:build !wasip1

package reeve

// OnNetworkStart registers nothing in a test.
func OnNetworkStart(NetworkStartGuard) {}

// OnNetworkStop registers nothing in a test.
func OnNetworkStop(NetworkStopGuard) {}

// OnPortPlug registers nothing in a test.
func OnPortPlug(PortGuard) {}

// OnNetworkEvents registers nothing in a test.
func OnNetworkEvents(NetworkNotify) {}

// OnFilterGenerate registers nothing in a test.
func OnFilterGenerate(RulesProposal) {}

// ListNetworks is all networks of the fake host.
func ListNetworks() ([]Network, error) { return fake.Networks, failed() }

// GetNetwork is one network by name.
func GetNetwork(name string) (Network, error) {
	if fake.Failure != nil {
		return Network{}, fake.Failure
	}
	for _, network := range fake.Networks {
		if network.Name == name {
			return network, nil
		}
	}
	return Network{}, &HostError{NotFound, "there is no network '" + name + "'"}
}

// NetworkPorts are the fake host's Ports that are plugged into one network.
func NetworkPorts(name string) ([]Port, error) {
	var ports []Port
	for _, port := range fake.Ports {
		if port.Network != nil && *port.Network == name {
			ports = append(ports, port)
		}
	}
	_, err := GetNetwork(name)
	return ports, err
}

// NetworkLeases are the fake host's Leases, whatever the network.
func NetworkLeases(name string) ([]Lease, error) {
	_, err := GetNetwork(name)
	return fake.Leases, err
}

// NetworkPortCounters are the fake host's Counters, for a port that there is.
func NetworkPortCounters(name, link string) (PortCounters, error) {
	ports, err := NetworkPorts(name)
	if err != nil {
		return PortCounters{}, err
	}
	for _, port := range ports {
		if port.Link == link {
			return fake.Counters, nil
		}
	}
	return PortCounters{}, &HostError{NotFound, "there is no port '" + link + "'"}
}

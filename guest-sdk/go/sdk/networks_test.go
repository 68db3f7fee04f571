package reeve

import "testing"

func TestNetworksAndTheirPortsAreFoundByName(t *testing.T) {
	blue := "blue"
	UseFakeHost(&FakeHost{
		Networks: []Network{{Name: blue}},
		Ports:    []Port{{Link: "tap0", Network: &blue}, {Link: "tap1"}},
		Leases:   []Lease{{IP: "192.0.2.9"}},
		Counters: PortCounters{SentPackets: 3},
	})
	if ports, err := NetworkPorts(blue); err != nil || len(ports) != 1 || ports[0].Link != "tap0" {
		t.Errorf("%v %v", ports, err)
	}
	if leases, err := NetworkLeases(blue); err != nil || len(leases) != 1 {
		t.Errorf("%v %v", leases, err)
	}
	if counters, err := NetworkPortCounters(blue, "tap0"); err != nil || counters.SentPackets != 3 {
		t.Errorf("%v %v", counters, err)
	}
	if _, err := NetworkPortCounters(blue, "tap1"); err == nil || err.Error() != "the host answered: there is no port 'tap1'" {
		t.Error(err)
	}
	if _, err := GetNetwork("red"); err == nil || err.Error() != "the host answered: there is no network 'red'" {
		t.Error(err)
	}
	UseFakeHost(&FakeHost{Failure: &HostError{Denied, "no"}})
	if _, err := ListNetworks(); err == nil || err.Error() != "the host answered: no" {
		t.Error(err)
	}
}

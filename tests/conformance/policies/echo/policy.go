// The policy echo (tests/policies/echo) in Go.
package main

import (
	"fmt"
	"strings"

	"reeve"
)

func main() {}

func init() {
	reeve.OnNetworkStart(func(ctx reeve.Context, network reeve.Network, xml string) (reeve.Verdict, error) {
		return reeve.Deny("%s %s %d %d%d%d %s %s %d %s", network.UUID, network.Name, network.Mode, bit(network.Active),
			bit(network.Persistent), bit(network.Autostart), optional(network.Bridge), strings.Join(network.Addresses, ","),
			network.Connections, xml), nil
	})
	reeve.OnNetworkStop(func(ctx reeve.Context, network reeve.Network) (reeve.Verdict, error) {
		if network.Connections == 0 {
			return reeve.Allow(), nil
		}
		return reeve.Deny("'%s' has %d guests", network.Name, network.Connections), nil
	})
	reeve.OnPortPlug(func(ctx reeve.Context, domain *reeve.Domain, port reeve.Port) (reeve.Verdict, error) {
		return reeve.Deny("%s %s %s %s %s %s %s", domain.Name(), port.Domain, port.MAC, port.Link, optional(port.Network),
			optional(port.Filter), strings.Join(port.Addresses, ",")), nil
	})
	reeve.OnNetworkEvents(func(ctx reeve.Context, event reeve.NetworkEvent) error {
		if event.Name == "asked" {
			return asked(event.Detail)
		}
		return reeve.Fail("%s %s %d %s", event.UUID, event.Name, event.Change, event.Detail)
	})
	reeve.OnMigrateOut(func(ctx reeve.Context, domain *reeve.Domain, journey reeve.Journey) (reeve.Verdict, error) {
		switch journey.ID {
		case "fine":
			return reeve.Allow(), nil
		case "titled":
			return reeve.Rewrite(reeve.SetTitle(journey.Destination.Name)), nil
		}
		return reeve.Deny("%s", way(domain, journey)), nil
	})
	reeve.OnMigrateIn(func(ctx reeve.Context, domain *reeve.Domain, journey reeve.Journey) (reeve.Verdict, error) {
		return reeve.Deny("%s", way(domain, journey)), nil
	})
	reeve.OnMigrationStrategy(reeve.Strategy{
		Precheck: func(ctx reeve.Context, domain *reeve.Domain, journey reeve.Journey) (string, error) {
			if journey.ID == "fine" {
				return "", nil
			}
			return way(domain, journey), nil
		},
		Plan: func(
			ctx reeve.Context, offered reeve.Capabilities, limits reeve.MigrationLimits, journey reeve.Journey,
		) (reeve.MigrationPlan, error) {
			if journey.ID != "fine" {
				return reeve.MigrationPlan{}, reeve.Fail("%s %s %s%s", offer(offered), allowed(limits), journey.ID, brought())
			}
			return reeve.MigrationPlan{
				MaxDowntimeUs: limits.MaxDowntimeUs / 2, Compress: offered.Compression, Streams: offered.Streams,
			}, nil
		},
		NextStep: func(ctx reeve.Context, now reeve.Progress) (reeve.Step, error) { return next(now), nil },
	})
	reeve.OnVolumeCreate(func(ctx reeve.Context, pool reeve.Pool, plan reeve.VolumePlan) (reeve.VolumeVerdict, error) {
		switch plan.Name {
		case "fine":
			return reeve.AllowVolume(), nil
		case "renamed":
			name, allocation := "x", uint64(4096)
			return reeve.RewriteVolume(reeve.VolumeChanges{Name: &name, Allocation: &allocation}), nil
		}
		var available *uint64
		if pool.Space != nil {
			available = &pool.Space.Available
		}
		source := "-"
		if plan.Source != nil {
			source = volume(*plan.Source)
		}
		return reeve.DenyVolume("%s %s %s %s %d %s %s %s %s %s %s", pool.Name, pool.Kind, optional(pool.Path), number(available),
			pool.Volumes, plan.Name, number(plan.Capacity), number(plan.Allocation), optional(plan.Format), optional(plan.Backing),
			source), nil
	})
	reeve.OnVolumeResize(func(ctx reeve.Context, pool reeve.Pool, of reeve.Volume, capacity uint64) (reeve.Verdict, error) {
		return reeve.Deny("%s %s %d", pool.Name, volume(of), capacity), nil
	})
	reeve.OnStorageEvents(func(ctx reeve.Context, event reeve.StorageEvent) error {
		if event.Name == "asked" {
			return stored(event.Detail)
		}
		return reeve.Fail("%s %s %d %s", event.UUID, event.Name, event.Change, event.Detail)
	})
	reeve.OnCloneName(func(ctx reeve.Context, clone reeve.CloneRequest) (string, error) {
		return fmt.Sprintf("%d %s %s %s", clone.Kind, clone.Source, optional(clone.Pool), strings.Join(clone.Taken, ",")), nil
	})
	reeve.OnFilterGenerate(func(ctx reeve.Context, on reeve.Subject, filters []reeve.Filter) (reeve.Rules, error) {
		tree := reeve.Chain{Name: "tree", Layer: reeve.LinkLayer}
		for _, filter := range filters {
			tree.Rules = append(tree.Rules, told(filter)...)
		}
		known := reeve.Set{Name: "known"}
		for _, address := range on.Addresses {
			known.Elements = append(known.Elements, reeve.Address(address))
		}
		return reeve.Rules{
			Chains: []reeve.Chain{
				tree,
				{Name: "out", Layer: reeve.LinkLayer, Entry: reeve.OutFlow, Rules: fromGuest(on)},
				{Name: "in", Layer: reeve.ConnectionLayer, Entry: reeve.InFlow, Rules: toGuest()},
			},
			Sets: []reeve.Set{known},
			Maps: []reeve.VerdictMap{{Name: "by-source", Entries: []reeve.MapEntry{
				{Element: reeve.Address("192.0.2.7"), Then: reeve.PacketDrop{}},
				{Element: reeve.Address("192.0.2.8"), Then: reeve.PacketAccept{}},
			}}},
		}, nil
	})
}

func number(it *uint64) string {
	if it == nil {
		return "-"
	}
	return fmt.Sprint(*it)
}

func volume(it reeve.Volume) string {
	return fmt.Sprintf("%s,%s,%s,%s,%s,%d,%d,%s,%s,%d", it.Pool, it.Name, it.Key, it.Path, it.Format, it.Capacity, it.Allocation,
		optional(it.Backing), number(it.Created), bit(it.Complete))
}

// stored fails with what the host says of a pool, and of the volumes that are made there.
func stored(pool string) error {
	all, err := reeve.ListPools()
	if err != nil {
		return err
	}
	of, err := reeve.GetPool(pool)
	if err != nil {
		return err
	}
	there, err := reeve.ListVolumes(pool)
	if err != nil {
		return err
	}
	one, err := reeve.GetVolume(pool, "a")
	if err != nil {
		return err
	}
	allocation := uint64(7)
	made, err := reeve.CreateVolume(pool, reeve.NewVolume{Name: "b", Capacity: 5, Allocation: &allocation})
	if err != nil {
		return err
	}
	copied, err := reeve.CopyVolume(pool, "b", "c")
	if err != nil {
		return err
	}
	resized, err := reeve.ResizeVolume(pool, "c", 9, true)
	if err != nil {
		return err
	}
	data, err := reeve.ReadVolume(pool, "c", 1, 3)
	if err != nil {
		return err
	}
	if err := reeve.WriteVolume(pool, "c", 2, data); err != nil {
		return err
	}
	if err := reeve.DeleteVolume(pool, "b"); err != nil {
		return err
	}
	names, list := make([]string, len(all)), make([]string, len(there))
	for i, it := range all {
		names[i] = it.Name
	}
	for i, it := range there {
		list[i] = volume(it)
	}
	return reeve.Fail("%s %s %s %s %s %s %d %d", strings.Join(names, ","), of.Kind, strings.Join(list, ";"), volume(one),
		volume(made), copied.Name, resized.Capacity, len(data))
}

// asked fails with what the host says of a network.
func asked(name string) error {
	all, err := reeve.ListNetworks()
	if err != nil {
		return err
	}
	of, err := reeve.GetNetwork(name)
	if err != nil {
		return err
	}
	ports, err := reeve.NetworkPorts(name)
	if err != nil {
		return err
	}
	leases, err := reeve.NetworkLeases(name)
	if err != nil {
		return err
	}
	counted, err := reeve.NetworkPortCounters(name, "vnet0")
	if err != nil {
		return err
	}
	var names, links, given []string
	for _, network := range all {
		names = append(names, network.Name)
	}
	for _, port := range ports {
		links = append(links, port.Link)
	}
	for _, lease := range leases {
		expires := "-"
		if lease.Expires != nil {
			expires = fmt.Sprint(*lease.Expires)
		}
		given = append(given, optional(lease.MAC)+"/"+lease.IP+"/"+optional(lease.Hostname)+"/"+expires)
	}
	return reeve.Fail("%s %d %s %s %d %d %d %d %d %d", strings.Join(names, ","), of.Mode, strings.Join(links, ","),
		strings.Join(given, ","), counted.ReceivedBytes, counted.ReceivedPackets, counted.ReceivedDropped, counted.SentBytes,
		counted.SentPackets, counted.SentDropped)
}

func bit(flag bool) int {
	if flag {
		return 1
	}
	return 0
}

func optional(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

// told is rules that say what stands in a filter.
func told(filter reeve.Filter) []reeve.Rule {
	comment := fmt.Sprintf("%s %s %d", filter.Name, filter.Chain, filter.Priority)
	for _, variable := range filter.Variables {
		comment += " " + variable.Name + "=" + strings.Join(variable.Values, "|")
	}
	rules := []reeve.Rule{{Then: reeve.PacketContinue{}, Comment: comment}}
	actions := [...]reeve.PacketVerdict{
		reeve.FilterDrop:     reeve.PacketDrop{},
		reeve.FilterReject:   reeve.PacketReject{},
		reeve.FilterAccept:   reeve.PacketAccept{},
		reeve.FilterReturn:   reeve.PacketReturn{},
		reeve.FilterContinue: reeve.PacketContinue{},
	}
	for _, entry := range filter.Entries {
		switch entry := entry.(type) {
		case reeve.FilterReference:
			rules = append(rules, reeve.Rule{Then: reeve.PacketReturn{}, Comment: fmt.Sprintf("-> %d", entry)})
		case reeve.FilterRule:
			comment := fmt.Sprintf("%d %d %d", entry.Direction, entry.Priority, bit(entry.StateMatch))
			for _, match := range entry.Matches {
				comment += protocol(match)
			}
			rules = append(rules, reeve.Rule{Then: actions[entry.Action], Comment: comment})
		}
	}
	return rules
}

func protocol(match reeve.ProtocolMatch) string {
	var conditions []string
	for _, condition := range match.Conditions {
		value := ""
		switch it := condition.Value.(type) {
		case reeve.Literal:
			value = string(it)
		case reeve.VariableElement:
			value = fmt.Sprintf("$%s[%d]", it.Name, it.Place)
		case reeve.VariableIterator:
			value = fmt.Sprintf("$%s[@%d]", it.Name, it.Iterator)
		}
		conditions = append(conditions, condition.Attribute+"="+value)
	}
	negated := ""
	if match.Negated {
		negated = "!"
	}
	return " " + match.Protocol + negated + "(" + strings.Join(conditions, ",") + ")"
}

func is(field reeve.Field, operand reeve.Operand) reeve.Match {
	return reeve.Match{Field: field, Operand: operand}
}

func rule(then reeve.PacketVerdict, matches ...reeve.Match) reeve.Rule {
	return reeve.Rule{Matches: matches, Then: then}
}

func fromGuest(on reeve.Subject) []reeve.Rule {
	const group = "01:00:00:00:00:00"
	foreign := reeve.Match{Field: reeve.EtherSource, Negated: true, Operand: reeve.MAC(on.MAC)}
	return []reeve.Rule{
		{Matches: []reeve.Match{foreign}, Then: reeve.PacketReject{}, Comment: "not its own"},
		rule(reeve.PacketReturn{}, is(reeve.EtherDestination, reeve.MaskedMAC{Value: group, Mask: group})),
		rule(reeve.PacketContinue{}, is(reeve.IPSource, reeve.AddressRange{From: "192.0.2.1", To: "192.0.2.9"})),
		rule(reeve.Jump("tree")),
	}
}

func toGuest() []reeve.Rule {
	states := reeve.States{reeve.ConnectionEstablished, reeve.ConnectionRelated}
	trusted := reeve.HostSet{Name: "trusted", Sources: []bool{true, false}}
	tcp, udp := is(reeve.IPProtocol, reeve.Number(6)), is(reeve.IPProtocol, reeve.Number(17))
	return []reeve.Rule{
		rule(reeve.PacketAccept{}, is(reeve.StateOfConnection, states)),
		rule(reeve.PacketDrop{}, tcp, is(reeve.TCPFlags, reeve.Masked{Value: 2, Mask: 18})),
		rule(reeve.PacketAccept{}, udp, is(reeve.DestinationPort, reeve.Range{From: 1024, To: 65535})),
		rule(reeve.PacketAccept{}, is(reeve.IPSource, reeve.InSet("known"))),
		rule(reeve.PacketDrop{}, is(reeve.IPSource, reeve.AddressBlock{Address: "198.51.100.0", Prefix: 24})),
		rule(reeve.PacketDrop{}, is(reeve.IP6Source, reeve.Address("2001:db8::1"))),
		rule(reeve.PacketAccept{}, is(reeve.MemberOfHostSet, trusted)),
		rule(reeve.Lookup{Field: reeve.IPSource, Map: "by-source"}),
	}
}

func way(domain *reeve.Domain, it reeve.Journey) string {
	return fmt.Sprintf("%s %s %s/%s %s/%s %d%d%d %s%s", domain.Name(), it.ID, it.Source.Name, it.Source.Version, it.Destination.Name,
		it.Destination.Version, bit(it.SameMachine), bit(it.Unchecked), bit(it.Persistent), it.Transport, brought())
}

// brought is the disks of the guest, where it has some.
func brought() string {
	said := ""
	for _, it := range reeve.MigratedDisks() {
		said += fmt.Sprintf(" %s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%d%d%d,%d,%d,%s", it.Target, it.Device, it.Source, optional(it.Path),
			optional(it.Pool), optional(it.Volume), optional(it.Format), number(it.Capacity), number(it.Allocation),
			optional(it.FileSystem), bit(it.Readonly), bit(it.Shareable), bit(it.Coherent), it.Cache, it.Way, optional(it.Backing))
	}
	return said
}

func offer(it reeve.Capabilities) string {
	return fmt.Sprintf("%d%d %d", bit(it.Compression), bit(it.PostCopy), it.Streams)
}

func allowed(it reeve.MigrationLimits) string {
	return fmt.Sprintf("%d %s %d %d", it.MaxDowntimeUs, number(it.Bandwidth), it.MaxThrottle, it.MaxRounds)
}

func next(now reeve.Progress) reeve.Step {
	if len(now.Rounds) == 0 {
		return reeve.NextRound{}
	}
	last := now.Rounds[len(now.Rounds)-1]
	switch last.Number {
	case 1:
		return reeve.NextRound{}
	case 2:
		return reeve.Throttle(last.Throttle + 5)
	case 3:
		return reeve.SetMaxDowntime(last.ExpectedDowntimeUs)
	case 4:
		return reeve.Compress{}
	case 5:
		return reeve.AddStreams(last.Streams)
	case 6:
		return reeve.SwitchToPostCopy{}
	case 7:
		return reeve.StopAndCopy{}
	}
	rounds := make([]string, len(now.Rounds))
	for i, it := range now.Rounds {
		rounds[i] = fmt.Sprintf("%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d", it.Number, it.ElapsedUs, it.DurationUs, it.Pages, it.ZeroPages,
			it.Sent, it.DirtyPages, it.Bandwidth, it.ExpectedDowntimeUs, it.MaxDowntimeUs, it.Throttle, bit(it.Compressed), it.Streams)
	}
	return reeve.Abort(offer(now.Capabilities) + " " + allowed(now.Limits) + " " + strings.Join(rounds, ";") + brought())
}

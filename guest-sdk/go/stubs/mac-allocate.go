// A MAC address for interface number index (from 0) that is not among taken; seed is random.
func init() {
	reeve.OnMACAllocate(func(ctx reeve.Context, domain *reeve.Domain, index uint32, taken []string, seed uint64) (string, error) {
		used := make(map[string]bool, len(taken))
		for _, mac := range taken {
			used[mac] = true
		}
		const hex = "0123456789abcdef"
		for tail := seed; tail != seed+1<<16; tail++ {
			mac := "00:16:3e"
			for shift := 16; shift >= 0; shift -= 8 {
				mac += ":" + string(hex[tail>>shift>>4&15]) + string(hex[tail>>shift&15])
			}
			if !used[mac] {
				return mac, nil
			}
		}
		return "", reeve.Fail("no address is free")
	})
}

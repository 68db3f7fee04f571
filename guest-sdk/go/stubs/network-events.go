// Something happened to a network, to what is plugged into it, or to a packet filter.
func init() {
	reeve.OnNetworkEvents(func(ctx reeve.Context, event reeve.NetworkEvent) error {
		reeve.LogInfo("network '%s': %s", event.Name, event.Detail)
		return nil
	})
}

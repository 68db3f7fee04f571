// The daemon started, stops or reloaded.
func init() {
	reeve.OnDaemonEvents(func(ctx reeve.Context, change reeve.DaemonChange) error {
		return nil
	})
}

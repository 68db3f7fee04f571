// Something happened to a storage pool or its volumes.
func init() {
	reeve.OnStorageEvents(func(ctx reeve.Context, event reeve.StorageEvent) error {
		reeve.LogInfo("pool '%s': %s", event.Name, event.Detail)
		return nil
	})
}

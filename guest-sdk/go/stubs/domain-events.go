// Something happened to a domain; calls for one domain come in order.
func init() {
	reeve.OnDomainEvents(func(ctx reeve.Context, event reeve.DomainEvent) error {
		reeve.LogInfo("domain '%s': %s", event.Name, event.Reason)
		return nil
	})
}

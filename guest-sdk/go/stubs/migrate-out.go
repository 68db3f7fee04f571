// A domain is about to move to another host; a rewrite changes the document that the destination gets.
func init() {
	reeve.OnMigrateOut(func(ctx reeve.Context, domain *reeve.Domain, journey reeve.Journey) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

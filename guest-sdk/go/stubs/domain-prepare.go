// A domain is about to start; a rewrite changes the configuration of this run only.
func init() {
	reeve.OnDomainPrepare(func(ctx reeve.Context, domain *reeve.Domain) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

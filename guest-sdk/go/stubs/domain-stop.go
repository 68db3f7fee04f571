// Somebody asks to stop a domain; `forced` for destroy and reset. Rewrites are refused.
func init() {
	reeve.OnDomainStop(func(ctx reeve.Context, domain *reeve.Domain, forced bool) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

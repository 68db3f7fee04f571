// The last word before a machine is made. Rewrites are refused.
func init() {
	reeve.OnDomainStart(func(ctx reeve.Context, domain *reeve.Domain) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

// An interface of a domain is about to be plugged. Rewrites are refused.
func init() {
	reeve.OnPortPlug(func(ctx reeve.Context, domain *reeve.Domain, port reeve.Port) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

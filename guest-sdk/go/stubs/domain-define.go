// A definition is added or replaced; a rewrite changes what is stored.
func init() {
	reeve.OnDomainDefine(func(ctx reeve.Context, domain *reeve.Domain) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

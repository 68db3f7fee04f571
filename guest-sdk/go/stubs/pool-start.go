// A storage pool is about to start; xml is its document. Rewrites are refused.
func init() {
	reeve.OnPoolStart(func(ctx reeve.Context, pool reeve.Pool, xml string) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

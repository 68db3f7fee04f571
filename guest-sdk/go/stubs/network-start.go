// A virtual network is about to start; xml is its document. Rewrites are refused.
func init() {
	reeve.OnNetworkStart(func(ctx reeve.Context, network reeve.Network, xml string) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

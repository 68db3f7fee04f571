// Somebody asks to stop a virtual network. Rewrites are refused.
func init() {
	reeve.OnNetworkStop(func(ctx reeve.Context, network reeve.Network) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

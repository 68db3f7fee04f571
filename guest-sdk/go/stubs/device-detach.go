// A device (XML text) is about to be unplugged. Rewrites are refused.
func init() {
	reeve.OnDeviceDetach(func(ctx reeve.Context, domain *reeve.Domain, device string) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

// A device (XML text) is about to be plugged. Rewrites are refused.
func init() {
	reeve.OnDeviceAttach(func(ctx reeve.Context, domain *reeve.Domain, device string) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

// A volume is about to be deleted. Rewrites are refused.
func init() {
	reeve.OnVolumeDelete(func(ctx reeve.Context, pool reeve.Pool, volume reeve.Volume) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

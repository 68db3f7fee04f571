// A volume is about to get another capacity, bytes. Rewrites are refused.
func init() {
	reeve.OnVolumeResize(func(ctx reeve.Context, pool reeve.Pool, volume reeve.Volume, capacity uint64) (reeve.Verdict, error) {
		return reeve.Allow(), nil
	})
}

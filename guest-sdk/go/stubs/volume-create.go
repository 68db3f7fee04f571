// A volume is about to be made or copied; reeve.RewriteVolume changes its document.
func init() {
	reeve.OnVolumeCreate(func(ctx reeve.Context, pool reeve.Pool, plan reeve.VolumePlan) (reeve.VolumeVerdict, error) {
		return reeve.AllowVolume(), nil
	})
}

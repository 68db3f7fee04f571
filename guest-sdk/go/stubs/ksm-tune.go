// Kernel samepage merging; no adjustment changes nothing.
func init() {
	reeve.OnKSMTune(func(ctx reeve.Context, now reeve.KSMSnapshot) ([]reeve.Adjustment, error) {
		return nil, nil
	})
}
